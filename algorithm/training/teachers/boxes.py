"""Boxes found in each training photo, by CenterFace (the third teacher) or by the network itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..data.files import DataError, read_jsonl

__all__ = ["TeacherBoxes", "ThirdTeacher", "read_teacher_boxes"]


@dataclass(frozen=True)
class TeacherBoxes:
    """A teacher's detections in one photo, in its pixels.

    Attributes:
        xyxy: `(M, 4)` float32.
        score: `(M,)` float32 in [0, 1].
    """

    xyxy: npt.NDArray[np.float32]
    score: npt.NDArray[np.float32]


ThirdTeacher: TypeAlias = Mapping[str, TeacherBoxes]
"""Detections by photo name; a photo that the teacher did not process is absent."""


def read_teacher_boxes(path: Path, flag: str) -> ThirdTeacher:
    """Reads a file that `training.teachers.label` wrote.

    Args:
        path: the file.
        flag: the option that named it, for the message.

    Raises:
        DataError: the file is missing or not of this kind.
    """
    if not path.is_file():
        raise DataError(f"{flag}: {path} is missing; training.teachers.label writes it")
    try:
        return {
            record["name"]: TeacherBoxes(
                np.asarray(record["boxes"], np.float32).reshape(-1, 4),
                np.asarray(record["scores"], np.float32),
            )
            for record in read_jsonl(path)
        }
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} does not hold a teacher's boxes ({error}): delete it and run again"
        ) from error
