"""The chain: networks, accounts, contracts, transactions that are journaled before they are sent."""
