"""Outputs in the forms that training and data hubs read, with a Croissant description."""
