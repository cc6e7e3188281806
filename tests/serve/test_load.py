"""Fifty clients at once, for a minute."""

import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import samples
from serving import serving

CLIENTS = 50
SECONDS = 60


def family_bytes(pid: int) -> int:
    """Memory of a process and all its descendants, each page counted once (Linux)."""
    children = [
        int(text)
        for path in Path(f"/proc/{pid}/task").glob("*/children")
        for text in path.read_text().split()
    ]
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    own = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) << 10
    return own + sum(map(family_bytes, children))


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_fifty_clients_for_a_minute():
    photos = [(samples.SCENES / name).read_bytes() for name in ("market.jpg", "portrait.jpg", "street.jpg")]
    statuses: Counter[int | str] = Counter()
    waits, sizes = [], []
    with serving("--jobs", 2, "--queue", 16) as (process, server, _):
        assert server.ask("POST", "/v1/redact", photos[0]).status == 200
        end = time.monotonic() + SECONDS

        def client(number):
            while time.monotonic() < end:
                try:
                    answer = server.ask("POST", "/v1/redact", photos[number % 3])
                except OSError as error:
                    statuses[type(error).__name__] += 1
                    continue
                statuses[answer.status] += 1
                if answer.status == 503:
                    time.sleep(int(answer.headers["Retry-After"]))

        threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        while time.monotonic() < end:
            begun = time.monotonic()
            assert server.ask("GET", "/healthz").status == 200
            waits.append(time.monotonic() - begun)
            sizes.append(family_bytes(process.pid))
            time.sleep(0.1)
        for thread in threads:
            thread.join()
        assert server.ask("POST", "/v1/redact", photos[0]).status == 200
    third = len(sizes) // 3
    early, late = max(sizes[:third]), max(sizes[-third:])
    p50, p99 = (1000 * np.percentile(waits, share) for share in (50, 99))
    print(f"\nstatuses {dict(statuses)}; /healthz p50 {p50:.0f} ms, p99 {p99:.0f} ms of {len(waits)}")
    print(f"memory of all processes: {early >> 20} MiB in the first third, {late >> 20} MiB in the last")
    assert set(statuses) <= {200, 503}
    assert statuses[200] > 0
    assert late < 1.1 * early
