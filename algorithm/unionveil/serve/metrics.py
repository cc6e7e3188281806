"""Counters in the text format of Prometheus (version 0.0.4). They name no file and no client."""

from __future__ import annotations

from collections import Counter

__all__ = ["MEDIA_TYPE", "Metrics"]

MEDIA_TYPE = "text/plain; version=0.0.4"


class Metrics:
    """Counts the work of a server since its start."""

    def __init__(self) -> None:
        self._responses: Counter[tuple[str, int]] = Counter()
        self._pictures: Counter[str] = Counter()
        self._seconds = 0.0

    def answered(self, route: str, status: int) -> None:
        """Counts a response.

        Args:
            route: the path as defined by the server, not as requested.
            status: HTTP status.
        """
        self._responses[route, status] += 1

    def done(self, outcome: str, seconds: float) -> None:
        """Counts a picture.

        Args:
            outcome: redacted, found, or the reason of a rejection.
            seconds: from the complete body to the result.
        """
        self._pictures[outcome] += 1
        self._seconds += seconds

    def text(self, taken: int) -> str:
        """All counters.

        Args:
            taken: slots for pictures in use.
        """
        lines = [
            "# HELP unionveil_responses_total Responses by route and status.",
            "# TYPE unionveil_responses_total counter",
            *(
                f'unionveil_responses_total{{route="{route}",status="{status}"}} {count}'
                for (route, status), count in sorted(self._responses.items())
            ),
            "# HELP unionveil_pictures_total Pictures by outcome.",
            "# TYPE unionveil_pictures_total counter",
            *(
                f'unionveil_pictures_total{{outcome="{outcome}"}} {count}'
                for outcome, count in sorted(self._pictures.items())
            ),
            "# HELP unionveil_picture_seconds Time from a complete body to its result.",
            "# TYPE unionveil_picture_seconds summary",
            f"unionveil_picture_seconds_sum {self._seconds:.3f}",
            f"unionveil_picture_seconds_count {self._pictures.total()}",
            "# HELP unionveil_places_taken Pictures that are being read, waiting, processed or sent back.",
            "# TYPE unionveil_places_taken gauge",
            f"unionveil_places_taken {taken}",
        ]
        return "\n".join(lines) + "\n"
