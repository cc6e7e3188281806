"""Fuzzing: sends damaged files of all formats, with hidden contents, through the whole pipeline."""
