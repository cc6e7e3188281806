"""Work for a pool's workers; in a module of its own because a worker process imports it by name."""

import os
import signal

from unionveil import Redacted


def die_on_deadly(content: bytes) -> Redacted:
    """Stands in for `engines._work`: one kind of picture kills the process."""
    if content == b"deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return Redacted(content, None, (1, 1), ())
