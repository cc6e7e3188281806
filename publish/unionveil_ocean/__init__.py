"""Puts UnionVeil on Ocean Protocol."""
