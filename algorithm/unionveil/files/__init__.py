"""Files: sources of pictures and sinks of outputs."""
