"""From bytes to bytes: the whole act on one picture, with no file, no clock and no global state."""

from __future__ import annotations

from .config import AnonymizeConfig
from .detect import FaceFinder, ModelCard
from .detections import Detections
from .errors import ImageError, UnionVeilError
from .images import Frame, decode
from .outcomes import Anonymized, Outcome, Rejected
from .redact import load_redactor
from .select import Selector, every_face

__all__ = ["Anonymizer", "anonymize"]


class Anonymizer:
    """The line from bytes to bytes, with its models loaded once.

    Args:
        config: all settings.
        threads: threads for one picture's detection; 0 takes all cores.
        selector: which faces are redacted.

    Raises:
        ModelError: weights are missing, altered or cannot be loaded.
    """

    def __init__(
        self, config: AnonymizeConfig | None = None, *, threads: int = 0, selector: Selector = every_face
    ) -> None:
        self.config = config or AnonymizeConfig()
        self._find = FaceFinder(self.config, threads)
        self._select = selector
        self._redact = load_redactor(self.config)

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The weights in use."""
        return self._find.cards

    def __call__(self, data: bytes) -> Outcome:
        """Anonymizes one picture.

        Args:
            data: a whole file of any supported format.

        Returns:
            The redacted picture, or why there is none.

        Raises:
            ModelError: a model failed; that is no fault of the picture.
            ConfigError: the overlay's picture cannot be read.
        """
        try:
            picture = decode(data, self.config.max_megapixels * 1e6)
            faces = tuple(self.faces_of(frame) for frame in picture.frames)
            size_wh = picture.frames[0].size_wh
            patches = [self._redact(*part) for part in zip(picture.frames, faces, strict=True)]
            return Anonymized(picture.write(patches).data, picture.format, size_wh, faces)
        except ImageError as error:
            return Rejected(error.reason, str(error))
        except UnionVeilError:
            raise
        except MemoryError:
            return Rejected("memory", "there was not enough memory for the picture")
        except Exception as error:
            # Whatever fails on the way, nothing of the picture is written and the run goes on.
            return Rejected("failed", f"an unexpected {type(error).__name__} while anonymizing the picture")

    def faces_of(self, frame: Frame) -> Detections:
        """Faces of one frame that are to be redacted, in its pixels."""
        found = []
        for look in frame.rgb_views():
            faces = self._find(look)
            found.append(faces[self._select(look, faces)])
        return Detections.concat(found)


def anonymize(data: bytes, config: AnonymizeConfig | None = None) -> Outcome:
    """Anonymizes one picture; `Anonymizer` keeps its models for many.

    Args:
        data: a whole file of any supported format.
        config: settings; the defaults redact every face with an opaque box.

    Returns:
        The redacted picture, or why there is none.

    Raises:
        ModelError: weights are missing, altered or cannot be run.
        ConfigError: the overlay's picture cannot be read.
    """
    return Anonymizer(config)(data)
