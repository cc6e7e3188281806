"""Reviewing by hand: boxes are added, moved and removed before anything leaves."""
