"""Published detectors that the network learns from, by their boxes and by their features."""
