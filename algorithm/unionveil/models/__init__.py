"""Models as data: cards that describe them, the store that finds their files, the session that runs them."""
