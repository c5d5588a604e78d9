"""Mistakes in tracers: Envoy's `config.trace.v3.Tracing.Http`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consul_tracing.envoy_messages.json_values import at, members, snake_case
from consul_tracing.envoy_messages.messages import PROVIDER
from consul_tracing.envoy_messages.reader import Kind, is_json, read
from consul_tracing.envoy_messages.releases import REMOVED_TRACERS
from consul_tracing.envoy_messages.tracers import CLUSTER_FIELDS, OPENTELEMETRY, TRACERS, XRAY, ZIPKIN
from consul_tracing.errors import mismatch, with_suggestion
from consul_tracing.inputs.tracers import V1_PATH, V2_PATH, v1_path_reason, xray_problems

from .findings import Issue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from consul_tracing.envoy_messages.reader import Mistake, Reading
    from consul_tracing.names import EnvoyRelease, FieldPath, JsonObject

OLD_NAMES: Mapping[str, str] = {
    f"envoy.{name}": f"envoy.tracers.{name}" for name in ("zipkin", "datadog", "xray", "skywalking")
}
"""Names of tracers in Envoy's v2 API."""

V2 = "v2"

JAEGER = "Jaeger receives the spans of zipkin (port 9411) and of opentelemetry (4317, 4318)"


@dataclass(frozen=True)
class Tracer:
    """A tracer that Envoy can parse."""

    message: str
    """The name of its message: `envoy.config.trace.v3.ZipkinConfig`."""
    reading: Reading
    """Its fields."""
    path: FieldPath
    """The path of `typed_config`, or of `config` of Envoy's v2 API."""

    @property
    def config(self) -> JsonObject:
        """Its canonical fields."""
        fields: JsonObject = self.reading.value
        return fields

    @property
    def clusters(self) -> Iterator[tuple[FieldPath, str]]:
        """Yield the paths and the names of the clusters to which it sends spans."""
        for place in CLUSTER_FIELDS:
            if isinstance(name := at(self.config, *place), str) and name:
                yield (*self.path, *place), name

    @property
    def grpc_cluster(self) -> str | None:
        """The cluster that must speak HTTP/2."""
        name = at(self.config, "grpc_service", "envoy_grpc", "cluster_name")
        return name if isinstance(name, str) else None


def tracer_of(provider: object, path: FieldPath) -> Tracer | None:
    """Return the tracer of a provider, also of Envoy's v2 API. None if Envoy has no such tracer."""
    given = {snake_case(key): value for key, value in members(provider).items()}
    field = "config" if given.get("config") is not None else "typed_config"
    if not isinstance(content := given.get(field), dict):
        return None
    name = str(given.get("name")).rpartition(".")[2]
    message = str(content.get("@type") or _message_of(name)).rpartition("/")[2].replace(f".{V2}.", ".v3.")
    if message not in TRACERS:
        return None
    place = (*path, field)
    return Tracer(message, read({key: one for key, one in content.items() if key != "@type"}, message, place), place)


def _message_of(name: str) -> str:
    """Return the message of a tracer with a name of Envoy's v2 API. Empty if there is none."""
    return next((one for one in TRACERS if one.lower().endswith(f".{name}config")), "")


def provider_issues(provider: object, path: FieldPath, envoy: EnvoyRelease | None) -> Iterator[Issue]:
    """Yield the mistakes in a provider: its name, its type and the fields of its configuration."""
    reading, tracer = read(provider, PROVIDER, path), tracer_of(provider, path)
    config, name = at(reading.value, "typed_config"), str(at(reading.value, "name"))
    message = at(config, "@type")
    yield from mistake_issues(one for one in reading.mistakes if one.path == (*path, "config"))
    if at(reading.value, "config") is not None:
        yield from _unknown_tracer("", name, (*path, "name"))
    elif not is_json(config) or not is_json(message):
        return
    elif not message or not isinstance(message, str):
        yield Issue("CT304", (*path, "typed_config", "@type"), 'is required, as in "@type": ' + _example(name))
    elif message.startswith(f"envoy.config.trace.{V2}"):
        place = (*path, "typed_config", "@type")
        replacement = (f"trace.{V2}", "trace.v3")
        yield Issue("CT306", place, f"belongs to Envoy's v2 API: {message}", replacement=replacement)
    else:
        yield from _unknown_tracer(message, name, (*path, "typed_config", "@type"))
    if tracer is None:
        return
    if new := OLD_NAMES.get(name):
        yield Issue("CT307", (*path, "name"), f'must be "{new}", got "{name}"', replacement=(name, new))
    depth = len(tracer.path)
    outside = (one for one in reading.mistakes if one.path[:depth] != tracer.path or one.path[depth:] == ("@type",))
    yield from mistake_issues(one for one in outside if one.kind is not Kind.FORMER)
    daemon = (*tracer.path, "daemon_endpoint") if tracer.message == XRAY else None
    yield from mistake_issues(one for one in tracer.reading.mistakes if one.path[: depth + 1] != daemon)
    yield from newer_issues(tracer.reading.newer, envoy)
    yield from _required_issues(tracer)
    yield from _zipkin_issues(tracer)
    if tracer.message == XRAY:
        yield from (
            Issue("CT341", (*tracer.path, *problem.path.split(".")[1:]), problem.reason)
            for problem in xray_problems(tracer.config, "")
        )


def mistake_issues(mistakes: Iterable[Mistake], above: FieldPath = ()) -> Iterator[Issue]:
    """Yield the values that Envoy rejects."""
    for one in mistakes:
        yield Issue("CT306" if one.kind is Kind.FORMER else "CT308", (*above, *one.path), one.reason)


def newer_issues(newer: Iterable[tuple[FieldPath, EnvoyRelease]], envoy: EnvoyRelease | None) -> Iterator[Issue]:
    """Yield the fields and messages that the Envoy of the mesh does not support."""
    for path, since in newer:
        if envoy and envoy < since:
            yield Issue("CT323", path, f"requires Envoy {since[0]}.{since[1]}, got {envoy[0]}.{envoy[1]}")


def _unknown_tracer(message: str, name: str, place: FieldPath) -> Iterator[Issue]:
    """Yield the mistake in the type or the name of a tracer that Envoy does not have."""
    shown = f": {message}" if message else ""
    if removed := next((one for one in REMOVED_TRACERS if one in f"{name}{message}".lower()), None):
        yield Issue("CT305", place, f"is not supported since Envoy {REMOVED_TRACERS[removed]}{shown}")
    elif message not in TRACERS and "jaeger" in f"{name}{message}".lower():
        yield Issue("CT305", place, f"is not a tracer of Envoy{shown}. {JAEGER}")
    elif message and message not in TRACERS:
        yield Issue("CT305", place, with_suggestion(f"is not a tracer of Envoy: {message}", message, sorted(TRACERS)))


def _example(name: str) -> str:
    return f'"type.googleapis.com/{_message_of(name.rpartition(".")[2]) or ZIPKIN}"'


def _required_issues(tracer: Tracer) -> Iterator[Issue]:
    """Yield the required fields that are missing. Envoy's messages do not have these constraints."""
    if tracer.message == ZIPKIN:
        others = () if "collector_service" in tracer.config else ("collector_cluster", "collector_endpoint")
        for field in ("collector_endpoint_version", *others):
            if field not in tracer.config:
                yield Issue("CT308", (*tracer.path, field), "is required")
    if tracer.message == OPENTELEMETRY:
        if len({"grpc_service", "http_service"} & tracer.config.keys()) != 1:
            yield Issue("CT308", tracer.path, "must have exactly one of grpc_service and http_service")
        if {"service_name", "resource_detectors"}.isdisjoint(tracer.config):
            reason = "is not set, and no resource detector finds a name: all spans belong to unknown_service:envoy"
            yield Issue("CT346", (*tracer.path, "service_name"), reason)


def _zipkin_issues(tracer: Tracer) -> Iterator[Issue]:
    if tracer.message != ZIPKIN:
        return
    version = tracer.config.get("collector_endpoint_version")
    # A number remains if it has no name. Envoy crashes with it.
    if version == "GRPC" or (isinstance(version, int) and not isinstance(version, bool)):
        reason = mismatch("HTTP_JSON or HTTP_PROTO", version)
        yield Issue("CT308", (*tracer.path, "collector_endpoint_version"), reason)
    endpoint = tracer.config.get("collector_endpoint")
    uri = at(tracer.config, "collector_service", "http_uri", "uri")
    for field, value in (("collector_endpoint", endpoint), ("collector_service", uri)):
        if isinstance(value, str) and (reason := v1_path_reason(value)):
            fixed = value.rstrip("/").replace(V1_PATH, V2_PATH)
            yield Issue("CT314", (*tracer.path, field), reason, replacement=(value, fixed))
    if not tracer.config.get("trace_id_128bit"):
        reason = "is false, Envoy's default: applications with 128-bit trace ids cannot join the traces"
        yield Issue("CT315", (*tracer.path, "trace_id_128bit"), reason)
