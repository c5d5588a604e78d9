"""Mistakes in tracers: Envoy's `config.trace.v3.Tracing.Http`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from consul_tracing.cli.meaning import CLUSTER_FIELDS, at
from consul_tracing.errors import mismatch, with_suggestion
from consul_tracing.files.values import expressions
from consul_tracing.inputs.envoy_json import is_true, snake_case, snake_case_keys
from consul_tracing.inputs.tracers import V1_PATH, V2_PATH, XRAY, v1_path_reason, xray_problems

from .findings import Issue
from .proxy_config import known, members
from .tracing_messages import MESSAGES, NEWER_FIELDS, PROVIDER, REMOVED_TRACERS, REQUIRED, TRACE, TRACERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from consul_tracing.errors import Problem
    from consul_tracing.inputs.envoy_json import Schema
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
    """Its fields in snake_case, without expressions."""
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
    fields = snake_case_keys(known(provider))
    config = members(members(fields).get("typed_config"))
    message = str(config.get("@type", "")).rpartition("/")[2]
    return Tracer(message, config, (*path, "typed_config")) if message in TRACERS else None


def provider_issues(provider: object, path: FieldPath, envoy: EnvoyRelease | None) -> Iterator[Issue]:
    """Yield the mistakes in a provider: its name, its type and the fields of its configuration."""
    fields = members(snake_case_keys(known(provider)))
    unknown = {tuple(map(snake_case, place)) for place, _ in expressions(provider)}
    if "config" in fields:
        yield Issue("CT306", (*path, "config"), 'belongs to Envoy\'s v2 API. Write typed_config with "@type"')
        return
    name, config = fields.get("name"), fields.get("typed_config")
    if ("typed_config",) in unknown or ("typed_config", "@type") in unknown:
        return
    message = str(members(config).get("@type", "")).rpartition("/")[2]
    if not message:
        yield Issue("CT304", (*path, "typed_config", "@type"), 'is required, as in "@type": ' + _example(str(name)))
        return
    yield from _type_issues(message, str(name), path)
    if message not in TRACERS:
        return
    if new := OLD_NAMES.get(str(name)):
        yield Issue("CT307", (*path, "name"), f'must be "{new}", got "{name}"', replacement=(f"{name}", new))
    if not name and ("name",) not in unknown:
        yield Issue("CT308", (*path, "name"), "is required")
    yield from schema_issues(provider, PROVIDER, path)
    tracer = tracer_of(provider, path)
    assert tracer is not None  # noqa: S101 - the message is known
    unknown = {place[1:] for place in unknown if place[0] == "typed_config"}
    yield from _required_issues(tracer, unknown)
    yield from newer_issues(tracer.config, tracer.path, envoy)
    yield from _zipkin_issues(tracer, unknown)
    if tracer.message == XRAY:
        for issue in problem_issues("CT341", xray_problems(tracer.config, ""), unknown):
            yield replace(issue, path=(*tracer.path, *issue.path))


def problem_issues(code: str, problems: Iterable[Problem], unknown: Iterable[FieldPath]) -> Iterator[Issue]:
    """Yield the problems of a value with keys in snake_case. Fields in or around an expression are not checked."""
    for problem in problems:
        place = tuple(filter(None, problem.path.split(".")))
        if not any(place[: len(one)] == one[: len(place)] for one in unknown):
            yield Issue(code, place, problem.reason)


def schema_issues(value: object, schema: Schema, path: FieldPath) -> Iterator[Issue]:
    """Yield the fields and values that Envoy's message does not have. Expressions are not checked."""
    unknown = tuple(".".join(place) for place, _ in expressions(value))
    for problem in MESSAGES.problems(known(value), schema, ""):
        place = problem.path.removeprefix(".")
        # The type of a message may be an expression.
        if not any(one.startswith(f"{place}.") for one in unknown):
            yield Issue("CT308", (*path, *place.split(".")) if place else path, problem.reason)


def newer_issues(fields: object, path: FieldPath, envoy: EnvoyRelease | None) -> Iterator[Issue]:
    """Yield the fields and messages that the Envoy of the mesh does not support."""
    for place, since in newer_fields(fields, path):
        if envoy and envoy < since:
            yield Issue("CT323", place, f"requires Envoy {since[0]}.{since[1]}, got {envoy[0]}.{envoy[1]}")


def newer_fields(fields: object, path: FieldPath) -> Iterator[tuple[FieldPath, EnvoyRelease]]:
    """Yield the paths of fields and messages that are not in each Envoy, with the first version that has them."""
    if since := NEWER_FIELDS.get(str(members(fields).get("@type")).rpartition(".")[2]):
        yield (*path, "@type"), since
        return
    items = fields.items() if isinstance(fields, dict) else enumerate(fields) if isinstance(fields, list) else ()
    for key, member in items:
        name = snake_case(str(key))
        parent = next((step for step in reversed(path) if not step.isdecimal()), "")
        if since := NEWER_FIELDS.get(name) or NEWER_FIELDS.get(f"{parent}.{name}"):
            yield (*path, str(key)), since
        yield from newer_fields(member, (*path, str(key)))


def _type_issues(message: str, name: str, path: FieldPath) -> Iterator[Issue]:
    place = (*path, "typed_config", "@type")
    if message.startswith("envoy.config.trace.v2"):
        yield Issue("CT306", place, f"belongs to Envoy's v2 API: {message}", replacement=("trace.v2", "trace.v3"))
    elif removed := next((one for one in REMOVED_TRACERS if one in f"{name}{message}".lower()), None):
        yield Issue("CT305", place, f"is not supported since Envoy {REMOVED_TRACERS[removed]}: {message}")
    elif message not in TRACERS:
        yield Issue("CT305", place, with_suggestion(f"is not a tracer of Envoy: {message}", message, sorted(TRACERS)))


def _example(name: str) -> str:
    kind = next(
        (one for one in TRACERS if one.lower().endswith(f"{name.rpartition('.')[2]}config")), f"{TRACE}ZipkinConfig"
    )
    return f'"type.googleapis.com/{kind}"'


def _required_issues(tracer: Tracer, unknown: set[FieldPath]) -> Iterator[Issue]:
    """Yield the required fields that are missing. A field inside of an expression is not missing."""
    for place in _required(tracer):
        is_known = not any(place[: len(one)] == one for one in unknown)
        if is_known and at(tracer.config, *place) is None:
            yield Issue("CT308", (*tracer.path, *place), "is required")
    services = {"grpc_service", "http_service"}
    if tracer.message == f"{TRACE}OpenTelemetryConfig":
        given = services & {*tracer.config, *(place[0] for place in unknown if place)}
        if len(given) != 1:
            yield Issue("CT308", tracer.path, "must have exactly one of grpc_service and http_service")


def _required(tracer: Tracer) -> Iterator[FieldPath]:
    for field in REQUIRED.get(tracer.message, ()):
        yield (field,)
    if tracer.message == f"{TRACE}ZipkinConfig" and "collector_service" not in tracer.config:
        yield ("collector_cluster",)
        yield ("collector_endpoint",)
    for service in {"http_service", "collector_service"} & tracer.config.keys():
        for field in ("uri", "cluster", "timeout"):
            yield (service, "http_uri", field)


def _zipkin_issues(tracer: Tracer, unknown: set[FieldPath]) -> Iterator[Issue]:
    if tracer.message != f"{TRACE}ZipkinConfig":
        return
    version = tracer.config.get("collector_endpoint_version")
    if version is not None and str(version).upper() not in {"HTTP_JSON", "HTTP_PROTO", "1", "2"}:
        reason = mismatch("HTTP_JSON or HTTP_PROTO", version)
        yield Issue("CT308", (*tracer.path, "collector_endpoint_version"), reason)
    endpoint = tracer.config.get("collector_endpoint")
    uri = at(tracer.config, "collector_service", "http_uri", "uri")
    for field, value in (("collector_endpoint", endpoint), ("collector_service", uri)):
        if isinstance(value, str) and (reason := v1_path_reason(value)):
            fixed = value.rstrip("/").replace(V1_PATH, V2_PATH)
            yield Issue("CT314", (*tracer.path, field), reason, replacement=(value, fixed))
    if not is_true(tracer.config.get("trace_id_128bit")) and ("trace_id_128bit",) not in unknown:
        yield Issue("CT315", (*tracer.path, "trace_id_128bit"), "must be true, got false, Envoy's default")
