"""Assets: metadata, DDOs, prices, trust, and how they get onto the chain."""
