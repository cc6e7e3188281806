"""Trains the detector of number plates, on plates that are drawn; nothing of it is in the product."""
