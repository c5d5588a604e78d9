"""The rules of the policy pack: plain functions of the resources of a stack, without Pulumi's policy SDK."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from consul_tracing.backends.identity import CONFIG_ENTRY, identity_of, mesh_of
from consul_tracing.envoy_messages.json_values import members
from consul_tracing.errors import format_rate
from consul_tracing.inputs.hosts import is_loopback
from consul_tracing.lint.credentials import credential_issues
from consul_tracing.lint.proxy_config import ProxyConfig, proxy_config
from consul_tracing.lint.sampling_rules import sampled_percent
from consul_tracing.names import FIELDS_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from consul_tracing.entries.entry import Identity

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")


@dataclass(frozen=True)
class Resource:
    """A resource of a stack."""

    urn: str
    type: str
    props: Mapping[str, Any]
    """The inputs, under the names of the provider's schema."""
    protect: bool = False
    provider: str = ""
    """The URN of the provider."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The inputs of the provider."""

    @property
    def stack(self) -> str:
        """The name of the stack, without organization and project."""
        return self.urn.removeprefix("urn:pulumi:").partition("::")[0]

    @property
    def mesh(self) -> object:
        """The mesh that the provider selects: its settings, or the provider itself if none is known."""
        selected = mesh_of(self.settings)
        return selected if any(selected) else self.provider


@dataclass(frozen=True)
class Entry:
    """A config entry that a resource writes."""

    identity: Identity
    body: Mapping[str, Any]
    is_managed: bool
    """Whether a component of consul-tracing writes it."""

    @property
    def title(self) -> str:
        """The kind and the name."""
        return "/".join(self.identity[:2])

    @property
    def config(self) -> ProxyConfig:
        """The tracing keys as data."""
        return proxy_config(self.body.get("Config"))


def entry_of(resource: Resource) -> Entry | None:
    """Return the config entry of a resource, None for other resources and for unknown content."""
    props, identity = resource.props, identity_of(resource.type, resource.props)
    if identity is None:
        return None
    if resource.type == CONFIG_ENTRY:
        try:
            body = json.loads(props.get("configJson") or "{}")
        except (TypeError, ValueError):
            body = {}
        return Entry(identity, body, FIELDS_KEY in members(body.get("Meta")))
    metadata, spec = members(props.get("metadata")), members(props.get("spec"))
    is_managed = any(key.startswith("consul-tracing/") for key in members(metadata.get("annotations")))
    body = {"Config": spec.get("config"), "Protocol": spec.get("protocol"), "Meta": metadata.get("annotations")}
    return Entry(identity, body, is_managed)


Settings = dict[str, Any]


@dataclass(frozen=True)
class Rule:
    """A rule of the pack."""

    name: str
    reason: str
    check: Callable[[Sequence[Resource], Settings], Iterator[tuple[str, str]]]
    """Function that yields the URN of each resource that violates the rule, with a message."""
    severity: Literal["low", "medium", "high", "critical"] = "high"
    level: Literal["mandatory", "advisory"] = "mandatory"
    needs_all: bool = False
    """Whether the rule compares resources. Other rules reject a resource before it is written."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """JSON schema of each setting, with its default."""

    def violations(self, resources: Sequence[Resource], given: Settings | None = None) -> list[tuple[str, str]]:
        """Return the violations. Settings that are not given have their defaults."""
        defaults = {name: schema["default"] for name, schema in self.settings.items()}
        return list(self.check(resources, {**defaults, **(given or {})}))


PRODUCTION: Mapping[str, Mapping[str, Any]] = {
    "production": {
        "type": "array",
        "items": {"type": "string"},
        "default": ["prod", "production"],
        "description": "Names of the stacks to which the rule applies.",
    }
}


def _entries(resources: Sequence[Resource]) -> Iterator[tuple[Resource, Entry]]:
    for resource in resources:
        if entry := entry_of(resource):
            yield resource, entry


def _meshes(resources: Sequence[Resource]) -> Iterator[tuple[Resource, Entry]]:
    return (one for one in _entries(resources) if one[1].identity[0] == "proxy-defaults")


def one_tracer_per_mesh(resources: Sequence[Resource], _settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield each further resource that writes an entry of another one."""
    writers: Mapping[object, list[tuple[Resource, Entry]]] = defaultdict(list)
    for resource, entry in _entries(resources):
        writers[resource.type, resource.mesh, entry.identity].append((resource, entry))
    for (first, entry), *others in writers.values():
        for other, _ in others:
            yield other.urn, f"{entry.title} is also written by {first.urn}. Declare it once"


def sampling_cap(resources: Sequence[Resource], settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield meshes in production that sample more than the maximum."""
    for resource, entry in _meshes(resources):
        if resource.stack not in settings["production"] or not isinstance(entry.config.listener, dict):
            continue
        if (percent := sampled_percent(entry.config)) > settings["maximum_percent"]:
            maximum = format_rate(settings["maximum_percent"])
            yield resource.urn, f"sampling is {format_rate(percent)}; the maximum is {maximum}"


def tls_to_collector(resources: Sequence[Resource], settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield meshes in production whose collector is reached over the network without TLS."""
    for resource, entry in _meshes(resources):
        clusters = entry.config.clusters
        if resource.stack not in settings["production"] or not isinstance(clusters, list):
            continue
        for cluster in clusters:
            hosts = list(_hosts(cluster))
            is_allowed = all(is_loopback(host) or host.endswith(tuple(settings["allowed_suffixes"])) for host in hosts)
            if cluster.get("name") == "tracing_collector" and "transport_socket" not in cluster and not is_allowed:
                yield resource.urn, f"sends spans to {', '.join(hosts)} without TLS. Set collector.tls"


def _hosts(value: object) -> Iterator[str]:
    match value:
        case {"socket_address": {"address": str(host)}}:
            yield host
        case dict():
            for member in value.values():
                yield from _hosts(member)
        case list():
            for member in value:
                yield from _hosts(member)


def _containers(resource: Resource) -> Iterator[Mapping[str, Any]]:
    if resource.type.rpartition(":")[2] not in WORKLOADS:
        return
    spec = members(resource.props.get("spec"))
    template = members(members(spec.get("jobTemplate")).get("spec")).get("template") or spec.get("template")
    pod = members(members(template).get("spec"))
    for key in ("initContainers", "containers"):
        yield from (one for one in pod.get(key) or [] if isinstance(one, dict))


def _zipkin_containers(resources: Sequence[Resource]) -> Iterator[tuple[Resource, Mapping[str, Any]]]:
    for resource in resources:
        for container in _containers(resource):
            if "openzipkin/" in str(container.get("image")):
                yield resource, container


def persistent_zipkin(resources: Sequence[Resource], settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield collectors in production that keep spans in memory."""
    for resource, container in _zipkin_containers(resources):
        is_server = "dependencies" not in str(container["image"])
        types = [one.get("value") for one in container.get("env") or [] if one.get("name") == "STORAGE_TYPE"]
        if resource.stack in settings["production"] and is_server and (types or ["mem"]) == ["mem"]:
            yield resource.urn, "keeps spans in memory and loses them at a restart. Set storage"


def pinned_images(resources: Sequence[Resource], settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield images of the collector without a fixed version."""
    for resource, container in _zipkin_containers(resources):
        image = str(container["image"])
        tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
        if "@sha256:" not in image and (settings["digest"] or tag in {"", "latest"}):
            wanted = "a digest" if settings["digest"] else "a version"
            yield resource.urn, f"the image {image} must have {wanted}"


def no_credentials(resources: Sequence[Resource], _settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield entries with credentials. Their values are not shown."""
    for resource, entry in _entries(resources):
        for issue in credential_issues(dict(entry.body)):
            yield resource.urn, f"{'.'.join(issue.path)} {issue.reason}, which every client of Consul can read"


def protected_mesh(resources: Sequence[Resource], settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield meshes in production that Pulumi may delete."""
    for resource, entry in _meshes(resources):
        if entry.is_managed and resource.stack in settings["production"] and not resource.protect:
            yield resource.urn, "must have protect: true. Set consul-tracing:protect, or the option of the component"


def no_raw_entries(resources: Sequence[Resource], _settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield resources that write an entry that a component of the same stack manages."""
    managed = {(resource.mesh, entry.identity) for resource, entry in _entries(resources) if entry.is_managed}
    for resource, entry in _entries(resources):
        if not entry.is_managed and (resource.mesh, entry.identity) in managed:
            yield resource.urn, f"overwrites {entry.title}, which a component of consul-tracing manages. Remove it"


RULES = (
    Rule(
        "one-tracer-per-mesh",
        "Two writers of one entry overwrite each other at each update.",
        one_tracer_per_mesh,
        needs_all=True,
    ),
    Rule(
        "sampling-cap",
        "Traces of many requests cost CPU in every proxy and fill the trace store.",
        sampling_cap,
        severity="medium",
        settings={
            **PRODUCTION,
            "maximum_percent": {"type": "number", "default": 10, "description": "Highest sampling rate, in percent."},
        },
    ),
    Rule(
        "tls-to-collector",
        "Spans contain URLs and user agents, which everyone on the network can read without TLS.",
        tls_to_collector,
        severity="medium",
        level="advisory",
        settings={
            **PRODUCTION,
            "allowed_suffixes": {
                "type": "array",
                "items": {"type": "string"},
                "default": [],
                "description": "Ends of host names that are reached without TLS, such as .svc.cluster.local.",
            },
        },
    ),
    Rule(
        "persistent-zipkin",
        "Zipkin with storage in memory loses all spans at a restart.",
        persistent_zipkin,
        settings=PRODUCTION,
    ),
    Rule(
        "pinned-images",
        "An image without a version changes without a change of the program.",
        pinned_images,
        severity="medium",
        settings={
            "digest": {"type": "boolean", "default": False, "description": "Require a digest instead of a version."}
        },
    ),
    Rule("no-credentials", "Every client of Consul can read config entries.", no_credentials, severity="critical"),
    Rule(
        "protected-mesh",
        "A deleted proxy-defaults removes the configuration of every proxy in the datacenter.",
        protected_mesh,
        settings=PRODUCTION,
    ),
    Rule(
        "no-raw-entries",
        "Pulumi's ConfigEntry overwrites and deletes an entry unconditionally.",
        no_raw_entries,
        needs_all=True,
    ),
)
