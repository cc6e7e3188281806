"""Trains, exports and evaluates UnionVeil's own face detector. Not part of the wheel or of the image."""
