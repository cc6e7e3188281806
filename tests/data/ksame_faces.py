"""Draws docs/images/ksame.jpg: people who do not exist, and their k-same results.

PYTHONPATH=tests/support python tests/data/ksame_faces.py docs/images/ksame.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

import strangers
from checked import kept, opencv_pixels
from unionveil import AnonymizeConfig, anonymize_set
from unionveil.config import KSame

SHOWN = 6


def main(path: Path) -> None:
    """Photos in the first row, the results of each choice below them."""
    photos = strangers.portraits(24)
    files = [cv2.imencode(".png", photo)[1].tobytes() for photo in photos]
    rows = [np.hstack(photos[:SHOWN])]
    for redaction in (KSame(k=4), KSame(k=4, surrogate="synthetic"), KSame(k=4, surround="fill")):
        outcomes = list(anonymize_set(files, AnonymizeConfig(redaction=redaction)))
        rows.append(np.hstack([opencv_pixels(kept(outcome).data) for outcome in outcomes[:SHOWN]]))
    sheet = cv2.resize(np.vstack(rows), None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path), sheet, [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
