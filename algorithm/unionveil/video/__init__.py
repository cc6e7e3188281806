"""Videos: found in one pass, covered in a second one, with bounded memory.

Nothing here is loaded by readers, engines or settings: PyAV comes with the extra `video` and is opened in
workers alone.
"""
