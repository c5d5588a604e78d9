"""Host names and IP addresses."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from consul_tracing.errors import format_value

HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
MAX_HOST_NAME_LENGTH = 253


def is_address(name: str) -> bool:
    """Return whether a host is an IP address instead of a DNS name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether a host is the local machine."""
    if host.rstrip(".").lower() == "localhost":
        return True
    return is_address(host) and ipaddress.ip_address(host).is_loopback


def canonical_host(name: str) -> str | None:
    """Return a DNS name, or an IP address in its canonical form. None if clients cannot connect to it."""
    if is_address(name):
        address = ipaddress.ip_address(name)
        return None if address.is_unspecified else str(address)
    is_number = name.rstrip(".").rpartition(".")[2].isdigit()
    return name if HOST_NAME.fullmatch(name) and len(name) <= MAX_HOST_NAME_LENGTH and not is_number else None


def host_reason(name: str, field: str) -> str:
    """Return the reason why a value of a field is not a host, with the host that it contains as the fix."""
    # The user part of a URL can contain a password.
    shown = "" if "@" in name else f" ({format_value(name)})"
    expected = "must be a host name or IP address, got"
    if is_address(name):
        return f"{expected} the unspecified address{shown}"
    try:
        url = urlsplit(name if "://" in name else f"//{name}")
        port = url.port
    except ValueError:
        return f"{expected} an invalid host{shown}"
    parts = [part for part, value in (("user", url.username), ("port", port), ("path", url.path)) if value]
    if not url.hostname or not canonical_host(url.hostname) or not (url.scheme or parts):
        return f"{expected} an invalid host{shown}"
    kind = "a URL" if url.scheme else f"a host with a {parts[0]}"
    fix = f'Set {field}: "{url.hostname}"' + (f" and port: {port}" if port and field == "host" else "")
    return f"{expected} {kind}{shown}. {fix}"
