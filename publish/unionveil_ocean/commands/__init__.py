"""The commands in publish/: their options, questions and output."""
