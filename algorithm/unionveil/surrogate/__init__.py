"""Faces of nobody in particular: where they lie, how they are laid over a picture, and what draws them."""
