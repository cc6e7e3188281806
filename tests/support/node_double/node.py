"""A small Ocean node for tests: a real HTTP server on loopback that checks what ocean-node checks.

Its endpoints, checks and messages are those of ocean-node; each file names the sources that it follows.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from unionveil_ocean.chain.connection import Chain

from .environments import Environments
from .index import Index
from .jobs import DoubleJob, Jobs
from .nonces import Nonces
from .orders import Orders
from .provider import Provider
from .settings import Hooks, Settings, copy_into
from .starts import Starts
from .storage import Storage, Vault
from .wire import NodeServer, RateLimit, Received, Refusal, Reply, reply_of

_DDO_PATH = "/api/aquarius/assets/ddo/"


class NodeDouble:
    """The node.

    Args:
        chain: with the node's own account, which needs coins to lock payments.
        settings: the operator's configuration.
        hooks: interception points for tests.

    Attributes:
        settings, hooks: may be changed at any time; `reset` undoes that.
        vault: holds the node's key.
        environments: of the node.
        limit: the rate limit, and the number of requests it refused.
        requests: all requests received.
    """

    def __init__(self, chain: Chain, settings: Settings | None = None, hooks: Hooks | None = None) -> None:
        self.settings, self.hooks = settings or Settings(), hooks or Hooks()
        self._given = replace(self.settings), replace(self.hooks)
        self._lock = threading.RLock()
        self._folder = Path(tempfile.mkdtemp(prefix="node-double-"))
        self.vault, self.limit = Vault(chain.account), RateLimit()
        storage, nonces, index = Storage(self.settings), Nonces(), Index(chain, self.vault)
        self.environments = Environments(chain, self.settings)
        orders = Orders(chain, self.settings, self.hooks)
        self._jobs = Jobs(self._folder, self._lock, index, self.vault, storage, nonces, self.hooks)
        starts = Starts(chain, nonces, index, self.vault, storage, self.environments, orders, self._jobs)
        provider = Provider(nonces, self.vault, storage, index, chain.address)
        self._serve_ddo = index.serve
        self._routes: dict[tuple[str, str], Callable[[Received], Any]] = {
            ("GET", "/api/services/nonce"): nonces.serve,
            ("POST", "/api/services/encrypt"): provider.encrypt,
            ("POST", "/api/services/fileInfo"): provider.file_info,
            ("POST", "/api/aquarius/assets/ddo/validate"): provider.validate,
            ("GET", "/api/services/computeEnvironments"): lambda _: self.environments.all(),
            ("POST", "/api/services/initializeCompute"): starts.initialize,
            ("POST", "/api/services/compute"): starts.start_paid,
            ("POST", "/api/services/freeCompute"): starts.start_free,
            ("GET", "/api/services/compute"): self._jobs.status,
            ("GET", "/api/services/computeResult"): self._jobs.result,
        }
        self.requests: list[Received] = []
        self._server = NodeServer(self._reply)
        self.url = self._server.url

    def __enter__(self) -> NodeDouble:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()
        self.wait_for_jobs()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def jobs(self) -> dict[str, DoubleJob]:
        """All jobs since the last reset, by id."""
        return self._jobs.started

    def wait_for_jobs(self) -> list[DoubleJob]:
        """All jobs, ended."""
        return self._jobs.wait()

    def reset(self) -> None:
        """Restores initial settings and hooks, and clears requests and jobs; the index is kept."""
        settings, hooks = self._given
        copy_into(self.settings, settings)
        copy_into(self.hooks, hooks)
        self.limit.reset()
        self.requests.clear()
        self.jobs.clear()

    def _reply(self, received: Received) -> Reply:
        self.requests.append(received)
        limited = self.limit.refusal(self.settings.rate_limit, self.hooks.clock())
        if limited is not None:
            return Reply(429, "text/html", limited.encode())
        instead = self.hooks.fault(received)
        if instead is not None:
            return Reply(200, "application/json", instead)
        reply = self._answer(received)
        self.hooks.after(received)
        return reply

    def _answer(self, received: Received) -> Reply:
        try:
            with self._lock:
                value = self._route(received)(received)
                return reply_of(self.hooks.change(received, value))
        except Refusal as refusal:
            # httpRoutes/compute.ts answers errors of the start as JSON, the others as text.
            path = received.path
            is_start = received.method == "POST" and path.endswith("ompute") and "initialize" not in path
            text = json.dumps(refusal.text) if is_start else refusal.text
            return Reply(refusal.status, "text/plain", text.encode())

    def _route(self, received: Received) -> Callable[[Received], Any]:
        route = self._routes.get((received.method, received.path))
        if route is not None:
            return route
        if received.path.startswith(_DDO_PATH):
            return self._serve_ddo
        raise Refusal(404, "Not found")
