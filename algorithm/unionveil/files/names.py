"""Names of files from outside, made safe for every file system; names that cannot be made safe are refused.

The outputs of a run have names made by `safe_part`, and an archive of outputs is unpacked only if `safe_part`
leaves every name in it unchanged.
"""

from __future__ import annotations

import unicodedata

__all__ = ["MOST_PART_BYTES", "is_safe", "leads_out", "safe_part", "same_file_key", "shortened"]

MOST_PART_BYTES = 255
"""Longest name of a file or folder on ext4, APFS and NTFS, in UTF-8 bytes (NTFS counts UTF-16 units)."""

_FORBIDDEN = frozenset('<>:"/\\|?*')
"""Windows allows none of these in a name: a colon would name a stream of a file, a backslash a folder."""

_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789¹²³"}
)
"""Names that Windows reserves for devices, with any extension:
https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file"""

_LONGEST_SUFFIX = 16


def safe_part(part: str) -> str:
    """A file's or folder's name, with `_` in place of everything that some system does not allow.

    Replaced are unprintable characters (control characters, bidirectional marks, bytes that are not UTF-8),
    those that Windows forbids, and trailing dots and spaces. A device's name gets a leading `_`.

    Args:
        part: one name without folders.

    Returns:
        At least one character; `safe_part` leaves it unchanged.
    """
    cleaned = "".join(char if char.isprintable() and char not in _FORBIDDEN else "_" for char in part)
    kept = cleaned.rstrip(". ")
    cleaned = kept + "_" * (len(cleaned) - len(kept))
    if cleaned.partition(".")[0].rstrip(" ").casefold() in _DEVICES:
        cleaned = "_" + cleaned
    return cleaned or "_"


def is_safe(name: str) -> bool:
    """Whether `safe_part` leaves all parts of a path with `/` unchanged, and none is too long."""
    return all(
        part == safe_part(part) and len(part.encode("utf-8", "replace")) <= MOST_PART_BYTES
        for part in name.split("/")
    )


def leads_out(name: str) -> bool:
    """Whether a member's name, with `/` or a backslash between its parts, leads out of its archive."""
    parts = name.replace("\\", "/").split("/")
    drive = len(parts) > 1 and len(parts[0]) == 2 and parts[0][0].isalpha() and parts[0][1] == ":"
    return parts[0] == "" or drive or ".." in parts or "\x00" in name


def shortened(part: str, most_bytes: int = MOST_PART_BYTES) -> str:
    """A name cut to at most `most_bytes` bytes of UTF-8; its suffix is kept."""
    if len(part.encode()) <= most_bytes:
        return part
    stem, dot, suffix = part.rpartition(".")
    if not stem or len(suffix) > _LONGEST_SUFFIX:
        stem, dot, suffix = part, "", ""
    end = dot + suffix
    room = most_bytes - len(end.encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ") + end


def same_file_key(name: str) -> str:
    """A key that is equal for names of the same file on systems that fold case or compose accents."""
    return unicodedata.normalize("NFC", name).casefold()
