"""The application of `unionveil serve` for tests, with any work behind it."""

from __future__ import annotations

import math
import time
from typing import Any

from starlette.applications import Starlette

from unionveil import AnonymizeConfig
from unionveil.serve.access import Access
from unionveil.serve.api import Api, Submit, build_app
from unionveil.serve.hosts import Site
from unionveil.serve.limits import Places, RateLimit
from unionveil.serve.requests import Limits


def make_app(
    submit: Submit,
    *,
    places: int = 16,
    body_bytes: int = 8 << 20,
    read_seconds: float = 20.0,
    per_minute: float = math.inf,
    access: Access | None = None,
    **config: Any,
) -> Starlette:
    api = Api(
        AnonymizeConfig.from_parameters(config),
        submit,
        Limits(body_bytes, read_seconds),
        Places(places),
        RateLimit(per_minute, time.monotonic),
    )
    return build_app(api, site=Site(), access=access or Access.open())
