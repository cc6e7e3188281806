"""How often a node is polled.

Nodes allow 30 requests per minute and client address unless their operator sets RATE_LIMIT (ocean-node,
`checkRequestsRateLimit` in utils/validators.ts), and count all requests together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from itertools import chain, repeat

EAGER_SECONDS = 2.0

MOST_WAIT_SECONDS = 90.0
"""Longest total wait for a node's rate limit before a call fails; the node's window is 60 s."""


def poll_pauses() -> Iterator[float]:
    """Seconds between polls: 2 for 20 s, 5 until a minute has passed, then 10."""
    return chain(repeat(EAGER_SECONDS, 10), repeat(5.0, 8), repeat(10.0))


def stated_wait(header: str | None, text: str) -> float | None:
    """Seconds to wait before the next request, as a node states them; None if it does not.

    Args:
        header: `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
        text: of the answer: "Rate limit exceeded. Try again in 42 seconds." (utils/validators.ts).
    """
    if header and header.strip().isdecimal():
        return float(header)
    if header:
        try:
            date = parsedate_to_datetime(header)
        except ValueError:
            date = None
        if date is not None and date.tzinfo is not None:
            return max((date - datetime.now(timezone.utc)).total_seconds(), 0.0)
    found = re.search(r"Try again in (\d{1,6}) seconds", text)
    return float(found[1]) if found else None
