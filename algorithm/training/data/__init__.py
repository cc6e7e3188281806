"""Photos, their labels, and the augmented batches that training reads."""
