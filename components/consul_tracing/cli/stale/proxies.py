"""Proxies and their registrations in Consul."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from consul_tracing.cli.lint.live import documents_of
from consul_tracing.entries.bodies import canonical_json
from consul_tracing.entries.propagation import Propagation, propagation
from consul_tracing.entries.tracing_keys import tracing_keys
from consul_tracing.errors import CommandError
from consul_tracing.lint.releases import Releases
from consul_tracing.lint.rules import findings
from consul_tracing.severities import Severity
from consul_tracing.sources.consul import registered_proxy
from consul_tracing.sources.envoy import read_proxy
from consul_tracing.sources.http import ServerError

from .bootstrap import BootstrapError, bootstrap_differences
from .restarts import restart_of

if TYPE_CHECKING:
    from consul_tracing.names import JsonObject
    from consul_tracing.sources.envoy import RunningProxy
    from consul_tracing.sources.http import HttpClient


STOPPING = frozenset(
    {"CT301", "CT302", "CT303", "CT304", "CT305", "CT306", "CT308", "CT310", "CT311", "CT312", "CT341"}
)
"""Codes of mistakes with which a proxy may not start, or may start and reject its listeners."""


@dataclass(frozen=True)
class Proxy:
    """A proxy, and the differences between its bootstrap and its configuration in Consul."""

    proxy: str
    service: str
    since: str
    """Start of the proxy, as UTC time."""
    differences: list[str]
    propagation: Propagation | None = None
    """The tracer in its bootstrap, or in the listener key. None without a tracer, or for one that is not known."""
    restart: str = ""
    """The command that restarts the proxy, or what restarts it."""
    mistakes: tuple[str, ...] = ()
    """The errors in its configuration in Consul, which start with their codes."""
    address: str = ""
    """The address of its admin interface. In a pod: the name of the pod. Empty if the annotation is compared."""

    @property
    def can_restart(self) -> bool:
        """Whether it starts and serves requests after a restart, as far as its mistakes show."""
        return not any(map(is_stopping, self.mistakes))

    @property
    def is_stale(self) -> bool:
        """Whether the proxy must restart."""
        return bool(self.differences)

    def as_json(self) -> JsonObject:
        """Return the proxy for the JSON output."""
        return {
            "proxy": self.proxy,
            "service": self.service,
            "address": self.address,
            "since": self.since,
            "stale": self.is_stale,
            "tracer": self.propagation and self.propagation.tracer,
            "differences": self.differences,
            "restart": self.restart if self.is_stale else None,
            "mistakes": [*self.mistakes],
        }


def verdict(running: RunningProxy, consul: HttpClient) -> tuple[JsonObject, list[str]]:
    """Return the configuration of a proxy in Consul, and the differences between its bootstrap and a start now.

    The configuration is the block `Proxy` of its registration, which Consul merges with proxy-defaults.
    Raises BootstrapError if they cannot be compared, and CommandError.
    """
    if not running.node.get("id"):
        raise BootstrapError("it is not a proxy of Consul: its bootstrap has no node.id")
    if (registration := registered_proxy(consul, running.node)) is None:
        raise BootstrapError(f"{consul.label} has no registration of the proxy {running.node['id']}")
    try:
        return registration, bootstrap_differences(registration, running.bootstrap)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise BootstrapError("a value in its bootstrap or in its registration has an unexpected type") from None


def compared(admin: HttpClient, consul: HttpClient, restart: str = "") -> Proxy | BootstrapError:
    """Compare a proxy with Consul. Raises ServerError if the proxy cannot be read, and CommandError for Consul.

    `restart`: the command that restarts the proxy, if the admin interface belongs to a pod or to a unit.
    """
    running = read_proxy(admin)
    try:
        configured, differences = verdict(running, consul)
    except BootstrapError as error:
        return error
    except ServerError as error:
        raise CommandError(error.reason) from None
    # The listener may have a tracer of its own, and the bootstrap is the running one.
    tracing = running.bootstrap.get("tracing")
    keys = replace(tracing_keys(configured.get("Config")), bootstrap=tracing if isinstance(tracing, dict) else {})
    restart = restart or restart_of(running.node, configured)
    mistakes = mistakes_in(canonical_json(configured.get("Config"))) if differences else ()
    return Proxy(
        running.node["id"],
        running.service,
        running.started,
        differences,
        propagation(keys),
        restart,
        mistakes,
        running.address,
    )


def is_stopping(mistake: str) -> bool:
    """Return whether a proxy may not start with a mistake, or may start and reject its listeners."""
    return mistake.partition(":")[0] in STOPPING


@cache
def mistakes_in(config: str) -> tuple[str, ...]:
    """Return the errors that `lint` finds in a `Config` in JSON, which most proxies share."""
    registration = {"kind": "connect-proxy", "proxy": {"config": json.loads(config)}}
    found = findings(documents_of([registration], ""), Releases())
    errors = (one for one in found if one.severity is Severity.ERROR)
    return tuple(f"{one.code}: {'.'.join(one.issue.path)} {one.issue.reason}" for one in errors)
