"""Proxies and their registrations in Consul."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from consul_tracing.entries.propagation import Propagation, propagation
from consul_tracing.names import TRACER_KEY
from consul_tracing.sources.envoy import AdminError, EnvoyAdmin, bootstrap, service_of

from .bootstrap import BootstrapError, bootstrap_differences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from consul_tracing.names import JsonObject
    from consul_tracing.sources.consul import ConsulClient

MAX_CONCURRENT = 16
"""Proxies that are read at a time."""


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

    def add(self, name: str, read: Callable[[], Proxy]) -> None:
        """Add a proxy, or the reason why it cannot be read."""
        try:
            self.proxies.append(read())
        except (AdminError, BootstrapError) as error:
            self.unreadable[name] = str(error).removeprefix(f"{name} cannot be read: ")

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


def report_of(addresses: Iterable[str], consul: ConsulClient) -> Report:
    """Compare the proxies with these admin addresses with Consul. Raises CommandError if Consul cannot be read."""
    report = Report()
    # An address that does not respond takes seconds.
    with ThreadPoolExecutor(MAX_CONCURRENT) as pool:
        reads = [(address, pool.submit(read_address, address, consul)) for address in addresses]
        for address, read in reads:
            report.add(address, read.result)
    return report


def read_address(address: str, consul: ConsulClient) -> Proxy:
    """Compare the proxy with this admin address with Consul. Raises as `read_proxy` does."""
    with EnvoyAdmin(address) as admin:
        return read_proxy(admin, consul)


def read_proxy(admin: EnvoyAdmin, consul: ConsulClient) -> Proxy:
    """Compare a proxy with Consul. Raises AdminError, BootstrapError and CommandError."""
    dump = admin.config_dump()
    running = bootstrap(dump)
    node = running.get("node", {})
    if not node.get("id"):
        raise AdminError(f"{admin.address} is not a proxy of Consul: its bootstrap has no node.id")
    proxy = current_proxy(node, consul)
    if proxy is None:
        raise AdminError(f"Consul at {consul.address} has no registration of the proxy {node['id']}")
    uptime = admin.get("/server_info").get("uptime_current_epoch", "0s")
    differences = bootstrap_differences(proxy, running)
    # The listener may have a tracer of its own, and the bootstrap is the running one.
    config = {key.lower(): value for key, value in (proxy.get("Config") or {}).items()}
    traced = propagation({"Config": {**config, TRACER_KEY: json.dumps(running.get("tracing") or {})}})
    return Proxy(node["id"], service_of(dump), started(uptime), differences, traced)


def current_proxy(node: JsonObject, consul: ConsulClient) -> JsonObject | None:
    """Return the registration of a proxy, merged with proxy-defaults by Consul. None if Consul does not know it.

    The agent of the proxy knows the latest state. Other agents and servers read the catalog.
    """
    metadata = node.get("metadata", {})
    scope = {"ns": metadata.get("namespace"), "partition": metadata.get("partition")}
    query = {name: value for name, value in scope.items() if value and value != "default"}
    if found := consul.get(f"/v1/agent/service/{quote(node['id'], safe='')}", **query):
        registered: JsonObject = found.get("Proxy") or {}
        return registered
    for kind in ("connect", "service"):
        path = f"/v1/catalog/{kind}/{quote(node.get('cluster', ''), safe='')}"
        for instance in consul.get(path, **query, **{"merge-central-config": ""}) or []:
            is_node = metadata.get("node_name", instance["Node"]) == instance["Node"]
            if instance["ServiceID"] == node["id"] and is_node:
                cataloged: JsonObject = instance.get("ServiceProxy") or {}
                return cataloged
    return None


def started(uptime: str, now: datetime | None = None) -> str:
    """Return the time of a start, from an uptime such as `61s`."""
    time = (now or datetime.now(UTC)) - timedelta(seconds=float(uptime.removesuffix("s")))
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
