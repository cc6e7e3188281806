"""The bot's last position: one line in the user's state folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import platformdirs

from ..errors import OutputError

__all__ = ["Position"]


class Position:
    """The position after the last handled event; no photo, no name and no message is stored.

    Args:
        account: the account of the position: homeserver and digest of the token.
        folder: of all positions; by default the user's state folder.
    """

    def __init__(self, account: str, folder: Path | None = None) -> None:
        folder = folder or Path(platformdirs.user_state_dir("unionveil", appauthor=False)) / "bot"
        self.folder = folder / hashlib.sha256(account.encode()).hexdigest()[:32]
        self._path = self.folder / "position"

    def read(self) -> str | None:
        """The position; None at the first start.

        Raises:
            OutputError: it cannot be read.
        """
        try:
            return self._path.read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(f"{self._path} cannot be read: {error.strerror}") from error

    def keep(self, position: str) -> None:
        """Replaces the position as a whole.

        Raises:
            OutputError: it cannot be written; without it a restart would miss photos.
        """
        beside = self._path.with_suffix(".new")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with beside.open("w", encoding="utf-8") as file:
                file.write(position)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise OutputError(f"{self._path} cannot be written: {error.strerror}") from error
