"""Fuzzing: files of all formats with something hidden, damaged in every way, through the whole pipeline."""
