"""Models as data: cards that describe them, a store that finds their files, sessions that run them."""
