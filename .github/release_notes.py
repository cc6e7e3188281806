"""Prints the section of a version from CHANGELOG.md, as the notes of its release.

python .github/release_notes.py 1.2.3 < CHANGELOG.md
"""

from __future__ import annotations

import re
import sys

_HEADING = re.compile(r"^## \[([^\]]+)\][^\n]*\n", re.MULTILINE)


def notes(changelog: str, version: str) -> str:
    """The section of a version, without its heading.

    Args:
        changelog: in the form of Keep a Changelog.
        version: as in its heading.

    Raises:
        SystemExit: there is no such section, it has no date, or it is empty.
    """
    headings = list(_HEADING.finditer(changelog))
    for number, heading in enumerate(headings):
        if heading[1] != version:
            continue
        if not re.search(r" - \d{4}-\d{2}-\d{2}$", heading[0].rstrip()):
            raise SystemExit(f"CHANGELOG.md: date the section [{version}], as `## [{version}] - 2026-01-31`")
        end = headings[number + 1].start() if number + 1 < len(headings) else len(changelog)
        text = changelog[heading.end() : end].strip()
        if text:
            return text
        raise SystemExit(f"CHANGELOG.md: the section [{version}] is empty")
    raise SystemExit(f"CHANGELOG.md: there is no section [{version}]; rename [Unreleased] and date it")


if __name__ == "__main__":
    print(notes(sys.stdin.read(), sys.argv[1]))
