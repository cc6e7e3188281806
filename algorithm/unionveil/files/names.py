"""Names of files from outside, made safe for every file system; what cannot be made safe is refused.

The outputs of a run get names that `safe_part` made, and an archive of outputs is unpacked only if every name
in it is one that `safe_part` leaves as it is.
"""

from __future__ import annotations

import unicodedata

__all__ = ["MOST_PART_BYTES", "is_safe", "leads_out", "safe_part", "same_file_key", "shortened"]

MOST_PART_BYTES = 255
"""Longest name of a file or folder on ext4, APFS and NTFS, in UTF-8 bytes (NTFS counts UTF-16 units)."""

_FORBIDDEN = frozenset('<>:"/\\|?*')
"""Windows allows none of them in a name: a colon would name a stream of a file, a backslash a folder."""

_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789¹²³"}
)
"""Names that Windows gives to devices, with any extension:
https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file"""

_LONGEST_SUFFIX = 16


def safe_part(part: str) -> str:
    """A file's or folder's name with everything replaced by `_` that some system does not allow.

    That is: what is not printable (control characters, bidirectional marks, bytes that are not UTF-8), what
    Windows forbids, dots and spaces at the end. A device's name gets a `_` before it.

    Args:
        part: one name without folders.

    Returns:
        At least one character; `safe_part` leaves it as it is.
    """
    cleaned = "".join(char if char.isprintable() and char not in _FORBIDDEN else "_" for char in part)
    kept = cleaned.rstrip(". ")
    cleaned = kept + "_" * (len(cleaned) - len(kept))
    if cleaned.partition(".")[0].rstrip(" ").casefold() in _DEVICES:
        cleaned = "_" + cleaned
    return cleaned or "_"


def is_safe(name: str) -> bool:
    """Whether a path with `/` has only parts that `safe_part` leaves as they are, none of them too long."""
    return all(
        part == safe_part(part) and len(part.encode("utf-8", "replace")) <= MOST_PART_BYTES
        for part in name.split("/")
    )


def leads_out(name: str) -> bool:
    """Whether a member's name, with `/` or a backslash between its parts, points out of its archive."""
    parts = name.replace("\\", "/").split("/")
    drive = len(parts) > 1 and len(parts[0]) == 2 and parts[0][0].isalpha() and parts[0][1] == ":"
    return parts[0] == "" or drive or ".." in parts or "\x00" in name


def shortened(part: str, most_bytes: int = MOST_PART_BYTES) -> str:
    """A name cut to so many bytes of UTF-8; its suffix stays."""
    if len(part.encode()) <= most_bytes:
        return part
    stem, dot, suffix = part.rpartition(".")
    if not stem or len(suffix) > _LONGEST_SUFFIX:
        stem, dot, suffix = part, "", ""
    end = dot + suffix
    room = most_bytes - len(end.encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ") + end


def same_file_key(name: str) -> str:
    """Equal for names that are the same file on a system that folds case or composes accents."""
    return unicodedata.normalize("NFC", name).casefold()
