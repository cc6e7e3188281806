"""Review by hand: boxes are added, moved and removed before any photo leaves."""
