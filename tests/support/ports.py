"""Free ports on loopback for servers of other programs."""

import socket


def free_port() -> int:
    """A port that is not in use now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
