"""Mistakes in tracers: Envoy's `config.trace.v3.Tracing.Http`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consul_tracing.envoy_messages.json_values import at
from consul_tracing.envoy_messages.messages import PROVIDER
from consul_tracing.envoy_messages.reader import Kind, is_json, read
from consul_tracing.envoy_messages.releases import REMOVED_TRACERS
from consul_tracing.envoy_messages.tracers import CLUSTER_FIELDS, OPENTELEMETRY, TRACERS, XRAY, ZIPKIN
from consul_tracing.errors import mismatch, with_suggestion
from consul_tracing.inputs.tracers import V1_PATH, V2_PATH, v1_path_reason, xray_problems

from .findings import Issue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from consul_tracing.envoy_messages.reader import Mistake
    from consul_tracing.names import EnvoyRelease, FieldPath, JsonObject

OLD_NAMES: Mapping[str, str] = {
    f"envoy.{name}": f"envoy.tracers.{name}" for name in ("zipkin", "datadog", "xray", "skywalking")
}
"""Names of tracers in Envoy's v2 API."""


@dataclass(frozen=True)
class Tracer:
    """A tracer that Envoy can parse."""

    message: str
    """The name of its message: `envoy.config.trace.v3.ZipkinConfig`."""
    config: JsonObject
    """Its canonical fields."""
    path: FieldPath
    """The path of `typed_config`."""

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
    """Return the tracer of a provider, None if Envoy has no such tracer."""
    config = at(read(provider, PROVIDER).value, "typed_config")
    message = at(config, "@type")
    return Tracer(message, config, (*path, "typed_config")) if message in TRACERS else None


def provider_issues(provider: object, path: FieldPath, envoy: EnvoyRelease | None) -> Iterator[Issue]:
    """Yield the mistakes in a provider: its name, its type and the fields of its configuration."""
    reading = read(provider, PROVIDER, path)
    config, name = at(reading.value, "typed_config"), at(reading.value, "name")
    if at(reading.value, "config") is not None:
        yield from mistake_issues(one for one in reading.mistakes if one.kind is Kind.FORMER)
        return
    message = at(config, "@type")
    if not is_json(config) or not is_json(message):
        return
    if not message or not isinstance(message, str):
        yield Issue("CT304", (*path, "typed_config", "@type"), 'is required, as in "@type": ' + _example(str(name)))
        return
    yield from _type_issues(message, str(name), path)
    tracer = tracer_of(provider, path)
    if tracer is None:
        return
    if new := OLD_NAMES.get(str(name)):
        yield Issue("CT307", (*path, "name"), f'must be "{new}", got "{name}"', replacement=(f"{name}", new))
    daemon = (*tracer.path, "daemon_endpoint") if message == XRAY else None
    yield from mistake_issues(one for one in reading.mistakes if one.path[: len(path) + 2] != daemon)
    yield from newer_issues(reading.newer, envoy)
    yield from _required_issues(tracer)
    yield from _zipkin_issues(tracer)
    if message == XRAY:
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


def _type_issues(message: str, name: str, path: FieldPath) -> Iterator[Issue]:
    place = (*path, "typed_config", "@type")
    if message.startswith("envoy.config.trace.v2"):
        yield Issue("CT306", place, f"belongs to Envoy's v2 API: {message}", replacement=("trace.v2", "trace.v3"))
    elif removed := next((one for one in REMOVED_TRACERS if one in f"{name}{message}".lower()), None):
        yield Issue("CT305", place, f"is not supported since Envoy {REMOVED_TRACERS[removed]}: {message}")
    elif message not in TRACERS:
        yield Issue("CT305", place, with_suggestion(f"is not a tracer of Envoy: {message}", message, sorted(TRACERS)))


def _example(name: str) -> str:
    kind = next((one for one in TRACERS if one.lower().endswith(f"{name.rpartition('.')[2]}config")), ZIPKIN)
    return f'"type.googleapis.com/{kind}"'


def _required_issues(tracer: Tracer) -> Iterator[Issue]:
    """Yield the required fields that are missing. Envoy's messages do not have these constraints."""
    if tracer.message == ZIPKIN:
        others = () if "collector_service" in tracer.config else ("collector_cluster", "collector_endpoint")
        for field in ("collector_endpoint_version", *others):
            if field not in tracer.config:
                yield Issue("CT308", (*tracer.path, field), "is required")
    if tracer.message == OPENTELEMETRY and len({"grpc_service", "http_service"} & tracer.config.keys()) != 1:
        yield Issue("CT308", tracer.path, "must have exactly one of grpc_service and http_service")


def _zipkin_issues(tracer: Tracer) -> Iterator[Issue]:
    if tracer.message != ZIPKIN:
        return
    if (version := tracer.config.get("collector_endpoint_version")) == "GRPC":
        reason = mismatch("HTTP_JSON or HTTP_PROTO", version)
        yield Issue("CT308", (*tracer.path, "collector_endpoint_version"), reason)
    endpoint = tracer.config.get("collector_endpoint")
    uri = at(tracer.config, "collector_service", "http_uri", "uri")
    for field, value in (("collector_endpoint", endpoint), ("collector_service", uri)):
        if isinstance(value, str) and (reason := v1_path_reason(value)):
            fixed = value.rstrip("/").replace(V1_PATH, V2_PATH)
            yield Issue("CT314", (*tracer.path, field), reason, replacement=(value, fixed))
    if not tracer.config.get("trace_id_128bit"):
        yield Issue("CT315", (*tracer.path, "trace_id_128bit"), "must be true, got false, Envoy's default")
