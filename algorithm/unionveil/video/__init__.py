"""Videos: faces are found in one pass and covered in a second one, with bounded memory.

Readers, engines and settings load nothing from here: PyAV comes with the extra `video` and is used only in
workers.
"""
