"""The proxies to read: given addresses, those of the local Consul agent, and those in the pods of a cluster."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from consul_tracing.errors import CommandError
from consul_tracing.names import JsonObject

from .agents import agent_of
from .consul import PROXY_KINDS, consul_client
from .envoy import admin_client, config_dump, node_id, read_each
from .processes import envoy_processes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from .agents import Agent
    from .http import HttpClient
    from .pods import Pod, Pods

DEFAULT_ADMIN = "127.0.0.1:19000"
"""The default of `consul connect envoy`. Ref: https://developer.hashicorp.com/consul/commands/connect/envoy"""

SECONDS_OF_CANDIDATE = 2.0
"""Deadline of an address that may be an admin interface."""

MAX_PODS = 50
"""Pods that are read for one request."""

NOT_KNOWN = (
    "its admin interface is not known. Set --admin HOST:PORT, or run the command on its host and in its network "
    "namespace, as its user or as root"
)


@dataclass(frozen=True)
class Selection:
    """The proxies that the options select."""

    addresses: Sequence[str] = ()
    """`HOST:PORT` of admin interfaces."""
    agent: bool = False
    """Whether to read the proxies of the local Consul agent."""
    kubernetes: bool = False
    """Whether to read the pods of a cluster."""
    namespace: str | None = None
    """Namespace of the pods. Default: all."""
    selector: str | None = None
    """Label selector of the pods."""

    def __bool__(self) -> bool:
        """Whether the options select proxies."""
        return bool(self.addresses or self.agent or self.kubernetes)


@dataclass(frozen=True)
class Target:
    """A proxy to read."""

    admin: HttpClient
    restart: str = ""
    """The command that restarts the proxy. Empty if it is not known."""
    pod: Pod | None = None


@dataclass(frozen=True)
class Targets:
    """The proxies to read, and those that cannot be read."""

    found: Sequence[Target] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Proxies whose admin interface is not known, with the reason."""
    notes: Sequence[str] = ()
    cluster: Pods | None = None
    """The cluster of the pods."""

    @property
    def facts(self) -> list[str]:
        """The notes, and the proxies that cannot be read."""
        return [*self.notes, *(f"{name} cannot be read: {reason}" for name, reason in self.unknown.items())]

    @property
    def admins(self) -> list[HttpClient]:
        """The admin interfaces."""
        return [one.admin for one in self.found]


def find_targets(selection: Selection, services: Collection[str] | None = None) -> Targets:
    """Return the selected proxies. Raises CommandError.

    `services`: those of a request, empty if they are not known. Only proxies on its path are read. None: read all.
    """
    is_local = selection.addresses or selection.agent
    restarts = {one.admin: one.restart for one in envoy_processes()} if is_local else {}
    addresses = [admin_client(one).address for one in selection.addresses]
    unknown: dict[str, str] = {}
    if selection.agent:
        given = set(map(_place, addresses))
        candidates = [*addresses, *(one for one in dict.fromkeys([*restarts, DEFAULT_ADMIN]) if one not in given)]
        local, unknown = agent_proxies(consul_client(), candidates, services or ())
        addresses += local
    found = [Target(admin_client(one), restarts.get(_place(one), "")) for one in dict.fromkeys(addresses)]
    if not selection.kubernetes:
        return Targets(found, unknown)
    from .pods import Pods  # noqa: PLC0415 - imports Pulumi

    cluster = Pods()
    pods = cluster.with_proxies(selection.namespace, selection.selector)
    if not pods:
        raise CommandError(f"no pod with a proxy of consul-k8s runs in {_scope(selection)}")
    chosen, notes = (pods, []) if services is None else on_path(pods, services)
    found += [Target(cluster.admin(pod), pod.restart, pod) for pod in chosen]
    return Targets(found, unknown, notes, cluster)


def _place(address: str) -> str:
    return address.replace("localhost", "127.0.0.1")


def _scope(selection: Selection) -> str:
    place = f"namespace {selection.namespace}" if selection.namespace else "the cluster"
    return f"{place} with the selector {selection.selector}" if selection.selector else place


def agent_proxies(
    consul: HttpClient, candidates: Iterable[str], services: Collection[str] = ()
) -> tuple[list[str], dict[str, str]]:
    """Return the addresses that are admin interfaces of the agent's proxies, and the proxies without one.

    `services`: those of a request, as in `find_targets`. Raises CommandError if the agent cannot be read.
    """
    registered = consul.get("/v1/agent/services", dict[str, JsonObject]) or {}
    with consul.expected_shape():
        proxies = {name: one for name, one in registered.items() if one.get("Kind") in PROXY_KINDS}
        ports = {port for one in proxies.values() for port in _mesh_ports(one)}
        wanted = {name for name, one in proxies.items() if _is_on_path(_destination(one), services)}
    if not proxies:
        raise CommandError(f"{consul.label} has no proxies that its token can read: --agent requires their agent")
    clients = [replace(admin_client(one), seconds=SECONDS_OF_CANDIDATE) for one in candidates]
    names = read_each([one for one in clients if one.url.port not in ports], node_id)
    found = {address: name for address, name in names.items() if isinstance(name, str) and name in wanted}
    for foreign in _foreign(found, agent_of(consul)) if found else ():
        del found[foreign]
    return sorted(found, key=found.__getitem__), dict.fromkeys(sorted(wanted - set(found.values())), NOT_KNOWN)


def _foreign(addresses: Iterable[str], agent: Agent) -> list[str]:
    """Return the proxies of other agents on this machine, whose ids can be the same."""
    read = read_each([*map(admin_client, addresses)], lambda admin: agent.is_foreign(config_dump(admin)))
    return [address for address, is_foreign in read.items() if is_foreign is True]


def _is_on_path(service: str, services: Collection[str]) -> bool:
    """Return whether a proxy may be on the path of a request: also a gateway, and one whose service is not known."""
    return not services or not service or service.lower() in {name.lower() for name in services}


def _destination(registration: JsonObject) -> str:
    """Return the service of a sidecar. Empty for a gateway."""
    return (registration.get("Proxy") or {}).get("DestinationServiceName") or ""


def _mesh_ports(registration: JsonObject) -> Iterable[int]:
    """Return the ports of a proxy whose requests enter the mesh."""
    proxy = registration.get("Proxy") or {}
    upstreams = [one.get("LocalBindPort") for one in proxy.get("Upstreams") or []]
    exposed = [one.get("ListenerPort") for one in (proxy.get("Expose") or {}).get("Paths") or []]
    return filter(None, [registration.get("Port"), *upstreams, *exposed])


def on_path(pods: Sequence[Pod], services: Collection[str]) -> tuple[list[Pod], list[str]]:
    """Return the pods that may be on the path of a request, and a note if they are too many.

    The first pod of each service precedes the second one of another, and pods without the name of a service are last.
    """
    seen: Counter[str] = Counter()
    ranked: list[tuple[bool, int, Pod]] = []
    for pod in pods:
        if _is_on_path("" if pod.is_gateway else pod.service, services):
            seen[pod.service] += 1
            ranked.append((not pod.service, seen[pod.service], pod))
    ranked.sort(key=lambda one: one[:2])
    chosen = [pod for *_, pod in ranked[:MAX_PODS]]
    if len(ranked) <= MAX_PODS:
        return chosen, []
    note = f"{MAX_PODS} of {len(ranked)} pods with proxies are read. --expect, --namespace and --selector select pods"
    return chosen, [note]
