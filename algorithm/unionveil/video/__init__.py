"""Videos: one pass finds faces, a second one covers them, with bounded memory.

The extra `video` installs PyAV. Only workers load it, never readers, engines or settings.
"""
