"""Hosts and origins, parsed as addresses: `127.0.0.1.example.org` is a name, not this machine."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

__all__ = ["HostPort", "Site", "is_loopback", "parse_host", "parse_origin"]

_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")
"""RFC 3986, section 3.2.2, without percent-encoding and future kinds of addresses."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class HostPort:
    """The host and port that a request is addressed to.

    Attributes:
        host: a name in lower case, or an address as `ipaddress` writes it.
        port: None for the scheme's default.
    """

    host: str
    port: int | None

    @property
    def address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The address; None for a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None


def parse_host(text: str) -> HostPort | None:
    """The value of a Host header; None if it is not one."""
    match = _HOST.fullmatch(text)
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    if match["v6"] is None:
        return HostPort(match["name"].lower(), port)
    try:
        return HostPort(str(ipaddress.IPv6Address(match["v6"])), port)
    except ValueError:
        return None


def parse_origin(text: str) -> HostPort | None:
    """The value of an Origin header, without the scheme's default port; None if it is opaque or malformed."""
    scheme, separator, rest = text.partition("://")
    found = parse_host(rest) if separator and scheme in _DEFAULT_PORTS else None
    if found and found.port == _DEFAULT_PORTS[scheme]:
        return HostPort(found.host, None)
    return found


def is_loopback(host: str) -> bool:
    """Whether an address, or the name `localhost`, means this machine only."""
    address = HostPort(host, None).address
    return address.is_loopback if address else host == "localhost"


@dataclass(frozen=True)
class Site:
    """The hosts that a server accepts.

    A page of another site can point its own name at this machine (DNS rebinding), but not an address.

    Attributes:
        only_loopback: whether the server listens on this machine's own addresses only.
        names: names that others use to reach it, directly or through a proxy.
    """

    only_loopback: bool = True
    names: frozenset[str] = frozenset()

    def is_ours(self, host: HostPort) -> bool:
        """Whether a request for this host is for the server."""
        if is_loopback(host.host) or host.host in self.names:
            return True
        return not self.only_loopback and host.address is not None
