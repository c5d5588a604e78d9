"""Proxies and their registrations in Consul."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from consul_tracing.entries.propagation import Propagation, propagation
from consul_tracing.entries.tracing_keys import tracing_keys
from consul_tracing.sources.consul import registered_proxy
from consul_tracing.sources.envoy import RunningProxy, read_each, read_proxy
from consul_tracing.sources.http import ServerError

from .bootstrap import BootstrapError, bootstrap_differences

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consul_tracing.names import JsonObject
    from consul_tracing.sources.http import JsonClient


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

    @property
    def is_stale(self) -> bool:
        """Whether the proxy must restart."""
        return bool(self.differences)

    def as_json(self) -> JsonObject:
        """Return the proxy for the JSON output."""
        return {
            "proxy": self.proxy,
            "service": self.service,
            "since": self.since,
            "stale": self.is_stale,
            "tracer": self.propagation and self.propagation.tracer,
            "differences": self.differences,
        }


@dataclass
class Report:
    """The proxies, and those that cannot be read with the reasons."""

    proxies: list[Proxy] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, running: RunningProxy | ServerError, consul: JsonClient) -> None:
        """Add a proxy, or the reason why it cannot be read. Raises CommandError if Consul cannot be read."""
        if isinstance(running, ServerError):
            self.unreadable[name] = running.reason.removeprefix(f"{name} cannot be read: ")
            return
        try:
            self.proxies.append(compared(running, consul))
        except BootstrapError as error:
            self.unreadable[name] = str(error)

    @property
    def common_propagation(self) -> Propagation | None:
        """The tracer of all proxies. None if one is stale or cannot be read, or if their tracers differ."""
        tracers = {one.propagation for one in self.proxies if not one.is_stale}
        is_complete = len(tracers) == 1 and not self.unreadable and not any(one.is_stale for one in self.proxies)
        return tracers.pop() if is_complete else None

    def as_json(self) -> JsonObject:
        """Return the document of the JSON output."""
        unreadable = [{"proxy": name, "reason": reason} for name, reason in self.unreadable.items()]
        return {"version": 1, "proxies": [one.as_json() for one in self.proxies], "unreadable": unreadable}


def report_of(addresses: Iterable[str], consul: JsonClient) -> Report:
    """Compare the proxies with these admin addresses with Consul. Raises CommandError if Consul cannot be read."""
    report = Report()
    for name, running in read_each(addresses, read_proxy).items():
        report.add(name, running, consul)
    return report


def registration_of(running: RunningProxy, consul: JsonClient) -> JsonObject:
    """Return the block `Proxy` of the registration of a proxy, merged with proxy-defaults by Consul.

    Raises BootstrapError if there is none, and CommandError.
    """
    if not running.node.get("id"):
        raise BootstrapError("it is not a proxy of Consul: its bootstrap has no node.id")
    if (registration := registered_proxy(consul, running.node)) is None:
        raise BootstrapError(f"{consul.label} has no registration of the proxy {running.node['id']}")
    return registration


def differences_of(registration: JsonObject, running: RunningProxy) -> list[str]:
    """Return the differences between the bootstrap of a proxy and a start now. Raises BootstrapError."""
    try:
        return bootstrap_differences(registration, running.bootstrap)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise BootstrapError("a value in its bootstrap or in its registration has an unexpected type") from None


def compared(running: RunningProxy, consul: JsonClient) -> Proxy:
    """Compare a proxy with Consul. Raises BootstrapError and CommandError."""
    registration = registration_of(running, consul)
    differences = differences_of(registration, running)
    # The listener may have a tracer of its own, and the bootstrap is the running one.
    tracing = running.bootstrap.get("tracing")
    keys = replace(tracing_keys(registration.get("Config")), bootstrap=tracing if isinstance(tracing, dict) else {})
    return Proxy(running.node["id"], running.service, running.started, differences, propagation(keys))
