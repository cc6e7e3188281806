"""Access to a server: everybody on this machine, or holders of a token."""

from __future__ import annotations

import secrets
from http.cookies import CookieError, SimpleCookie

from ..errors import ConfigError

__all__ = ["LEAST_TOKEN", "Access"]

LEAST_TOKEN = 16
"""Fewest characters of a token chosen by the user."""

_RANDOM_BYTES = 24


class Access:
    """The credential that a request needs: none, a bearer token, or a cookie exchanged for a token.

    A browser gets its token in the fragment of the page's URL, which is not sent to any server, and exchanges
    it for a cookie that scripts cannot read. A one-time token is void after that: another user of the machine
    who reads it in the process list is too late.

    Args:
        token: secret shared by many clients; None if there is no such token.
        one_time: token for a single exchange; None if there is no such token.
    """

    def __init__(self, token: str | None = None, one_time: str | None = None) -> None:
        self._token = token
        self._one_time = one_time
        self._session = secrets.token_urlsafe(_RANDOM_BYTES)
        # All ports of a host share its cookies, so each server uses its own cookie name.
        self.cookie = f"unionveil-{secrets.token_hex(4)}"
        self.is_open = token is None and one_time is None

    @classmethod
    def open(cls) -> Access:
        """For everybody who can reach the server."""
        return cls()

    @classmethod
    def once(cls) -> Access:
        """For the first browser that presents a new token."""
        return cls(one_time=secrets.token_urlsafe(_RANDOM_BYTES))

    @classmethod
    def shared(cls, token: str) -> Access:
        """For everybody who has the token.

        Raises:
            ConfigError: the token is too short to be safe.
        """
        if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigError(
                f"token: must have at least {LEAST_TOKEN} printable ASCII characters and no space; make one "
                "with: python -c 'import secrets; print(secrets.token_urlsafe())'"
            )
        return cls(token)

    @property
    def fragment(self) -> str:
        """The end of the page's URL: `#token=...`, or nothing."""
        token = self._one_time or self._token
        return f"#token={token}" if token else ""

    def exchange(self, token: str) -> str | None:
        """The session for a token; None if the token is wrong or already used."""
        if self._one_time is not None and _same(token, self._one_time):
            self._one_time = None
            return self._session
        return self._session if self._token is not None and _same(token, self._token) else None

    def is_bearer(self, authorization: str | None) -> bool:
        """Whether an Authorization header has the shared token (RFC 6750)."""
        scheme, _, token = (authorization or "").partition(" ")
        return self._token is not None and scheme.lower() == "bearer" and _same(token.strip(), self._token)

    def has_session(self, cookies: str | None) -> bool:
        """Whether a Cookie header has the session."""
        try:
            found = SimpleCookie(cookies or "").get(self.cookie)
        except CookieError:
            return False
        return found is not None and _same(found.value, self._session)


def _same(given: str, expected: str) -> bool:
    return secrets.compare_digest(given.encode(), expected.encode())
