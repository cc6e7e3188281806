"""How UnionVeil's own face detector is trained, exported and measured; not in the wheel, nor the image."""
