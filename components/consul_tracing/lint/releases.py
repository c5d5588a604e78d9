"""The oldest programs of a mesh, on which some findings depend."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from consul_tracing.errors import CommandError
from consul_tracing.inputs.types import ENVOY_VERSION

if TYPE_CHECKING:
    from consul_tracing.names import EnvoyRelease

ConsulRelease = tuple[int, int, int]

CONSUL_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:[-+].*)?")


class Releases(NamedTuple):
    """The oldest Envoy and the oldest Consul of a mesh. None: not known."""

    envoy: EnvoyRelease | None = None
    consul: ConsulRelease | None = None


def oldest_releases(envoy: str | None, consul: str | None) -> Releases:
    """Return versions such as 1.36 and 1.22.7. Raises CommandError."""
    return Releases(
        _release("--envoy-version", ENVOY_VERSION, envoy, "1.36")[:2] if envoy else None,
        _release("--consul-version", CONSUL_VERSION, consul, "1.22.7") if consul else None,
    )


def _release(option: str, pattern: re.Pattern[str], text: str, example: str) -> ConsulRelease:
    if not (parts := pattern.fullmatch(text)):
        raise CommandError(f'{option} must be a version such as "{example}", got "{text}"')
    major, minor, *patch = (int(part or 0) for part in parts.groups())
    return major, minor, (patch or [0])[0]
