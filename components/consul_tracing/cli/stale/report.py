"""The comparison of all proxies of a mesh."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consul_tracing.errors import CommandError
from consul_tracing.sources.envoy import read_each
from consul_tracing.sources.http import ServerError

from .bootstrap import BootstrapError
from .proxies import Proxy, compared

if TYPE_CHECKING:
    from consul_tracing.entries.propagation import Propagation
    from consul_tracing.names import JsonObject
    from consul_tracing.sources.http import HttpClient
    from consul_tracing.sources.proxies import Targets


@dataclass
class Report:
    """The proxies, and those that cannot be read with the reasons."""

    proxies: list[Proxy] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, found: Proxy | BootstrapError | ServerError) -> None:
        """Add a proxy, or the reason why it cannot be compared."""
        match found:
            case Proxy():
                self.proxies.append(found)
            case ServerError():
                self.unreadable[name] = found.reason.removeprefix(f"{name} cannot be read: ")
            case BootstrapError():
                self.unreadable[name] = str(found)

    @property
    def stale(self) -> list[Proxy]:
        """The proxies that must restart."""
        return [one for one in self.proxies if one.is_stale]

    @property
    def is_current(self) -> bool:
        """Whether all proxies can be read, and none must restart."""
        return not self.stale and not self.unreadable

    @property
    def common_propagation(self) -> Propagation | None:
        """The tracer of all proxies. None if one is stale or cannot be read, or if their tracers differ."""
        tracers = {one.propagation for one in self.proxies if not one.is_stale}
        return tracers.pop() if len(tracers) == 1 and self.is_current else None

    def as_json(self) -> JsonObject:
        """Return the document of the JSON output."""
        unreadable = [{"proxy": name, "reason": reason} for name, reason in self.unreadable.items()]
        return {"version": 1, "proxies": [one.as_json() for one in self.proxies], "unreadable": unreadable}


def report_of(found: Targets, consul: HttpClient) -> Report:
    """Compare proxies with Consul. Raises CommandError if Consul or ProxyDefaults cannot be read.

    The annotation of a pod is sufficient if the proxy is current. Otherwise the pod may have restarted since, which
    leaves the annotation as it is, so the proxy is read, and the annotation counts only if that fails.
    """
    report = Report(unreadable=dict(found.unknown))
    annotated = _annotated(found, consul)
    current = {name for name, proxy in annotated.items() if not proxy.is_stale}
    restarts = {one.admin.address: one.restart for one in found.found}

    def read(admin: HttpClient) -> Proxy | BootstrapError:
        known = annotated.get(admin.address)
        try:
            result = compared(admin, consul, restarts[admin.address])
        except CommandError:
            if not known:
                raise
            return known
        return known if known and isinstance(result, BootstrapError) else result

    results = read_each([admin for admin in found.admins if admin.address not in current], read)
    for name in restarts:
        report.add(name, (annotated | results)[name])
    return report


def _annotated(found: Targets, consul: HttpClient) -> dict[str, Proxy]:
    if not found.cluster:
        return {}
    from .pods import annotated_proxies  # noqa: PLC0415 - imports Pulumi

    return annotated_proxies([one.pod for one in found.found if one.pod], found.cluster, consul)
