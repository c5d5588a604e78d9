"""The parts of entries that the recovered settings do not express, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.entries.bodies import proxy_defaults, service_defaults
from consul_tracing.entry_structs import SCOPE
from consul_tracing.envoy_messages.comparison import UNSET
from consul_tracing.envoy_messages.json_values import at
from consul_tracing.errors import format_value, headline
from consul_tracing.files.values import Unevaluated, expressions
from consul_tracing.inputs.types import OLDEST_ENVOY
from consul_tracing.lint.meaning import meaning_differences, mesh_meaning, message_of, service_meaning
from consul_tracing.lint.proxy_config import proxy_config
from consul_tracing.names import (
    CLUSTERS_KEY,
    COLLECTOR_CLUSTER,
    LISTENER_KEY,
    SAMPLER_ENVOY,
    TRACER_KEY,
    TRACING_KEYS,
    release_text,
)

from .proxies import needs_input

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from consul_tracing.files.document import Document
    from consul_tracing.inputs.mesh_settings import MeshSettings
    from consul_tracing.names import FieldPath, JsonObject

UNKNOWN_HOST = "collector.invalid"
"""Placeholder of a collector that the entries do not name (RFC 2606), while the entries are compared."""

NOT_JSON = frozenset({"CT301", "CT302"})
"""Codes of tracing keys whose value is not JSON as text."""


def meaning_of(document: Document, default_protocol: object = None) -> JsonObject:
    """Return the meaning of an entry, with its scope if that is unknown. On Kubernetes, consul-k8s manages `Meta`."""
    is_service = document.kind == "service-defaults"
    meaning = service_meaning(document.fields, default_protocol) if is_service else mesh_meaning(document.fields)
    if document.is_on_kubernetes:
        meaning.pop("Meta", None)
    return meaning | {field: value for field in SCOPE if isinstance(value := document.fields.get(field), Unevaluated)}


def unread(document: Document, old: JsonObject) -> dict[FieldPath, str]:
    """Return the paths of values that are unknown, and of tracing keys that are not JSON, each with the reason."""
    reasons = {
        path: f"is unknown, because it is an expression: {format_value(text)}" for path, text in expressions(old)
    }
    for issue in proxy_config(document.fields.get("Config")).issues:
        if issue.code in NOT_JSON:
            reasons["Config", issue.path[1].lower()] = issue.reason
    return reasons


def incomplete(mesh: Document, old: JsonObject, settings: MeshSettings) -> str:
    """Return the reason why the settings would change the tracing of the entry, or remove it. Empty otherwise."""
    decisive = {("Config",), *((field,) for field in SCOPE), *(("Config", key) for key in (*TRACING_KEYS, "protocol"))}
    if any(path[:2] in decisive for path in unread(mesh, old)):
        return "tracing depends on a value that cannot be read"
    if not settings.enabled:
        tracer = message_of(at(old, "Config", TRACER_KEY, "http") or at(old, "Config", LISTENER_KEY, "provider"))
        return f"the tracer {tracer} is not supported" if tracer else "the entry has no tracer"
    return "the entry has no address of a collector" if settings.collector.host == UNKNOWN_HOST else ""


def mesh_losses(mesh: Document, old: JsonObject, settings: MeshSettings) -> Iterator[str]:
    """Yield what the settings do not express of a proxy-defaults entry with this meaning."""
    explained: set[FieldPath] = set()
    if not settings.enabled:
        explained = {("Config", key) for key in TRACING_KEYS}
    elif settings.collector.host == UNKNOWN_HOST:
        explained = {("Config", CLUSTERS_KEY, COLLECTOR_CLUSTER)}
    yield from _losses(mesh, old, mesh_meaning(proxy_defaults(settings).body), explained)


def service_losses(services: Mapping[str, Document], protocol: object, settings: MeshSettings) -> Iterator[str]:
    """Yield what the settings do not express of the service-defaults entries by key."""
    entries = service_defaults(settings)
    for key, document in services.items():
        if key in entries:
            new = service_meaning(entries[key].body, protocol)
            yield from _losses(document, meaning_of(document, protocol), new)
        else:
            yield loss(document, (), "no input expresses this entry")


def _losses(
    document: Document, old: JsonObject, new: JsonObject, explained: Collection[FieldPath] = ()
) -> Iterator[str]:
    """Yield what is not read of an entry, and the differences between its meaning and that of the rendered one.

    `explained`: paths with a message of their own.
    """
    reasons = unread(document, old)
    yield from (loss(document, path, reason) for path, reason in reasons.items())
    for path, before, after in meaning_differences(_by_index(old), _by_index(new)):
        if not any(path[: len(one)] == one for one in (*reasons, *explained)):
            yield loss(document, path, _difference(path, before, after))


def other_losses(documents: Sequence[Document], settings: MeshSettings) -> Iterator[str]:
    """Yield the documents that are not imported: registrations with tracing, parts of entries, and unknown names."""
    for document in documents:
        if document.kind == "registration":
            if needs_input(document, settings):
                place = f"services.{document.name or '<name>'}.tracing"
                yield loss(document, (), f"is not imported. Declare its tracing in {place}")
        elif document.is_partial and document.kind in {"proxy-defaults", "service-defaults"}:
            yield loss(document, (), "is not imported, because the file contains only a part of the entry")
        elif document.kind == "service-defaults" and not is_known(document):
            yield loss(
                document, (), "is not imported, because its name, namespace, partition or protocol is an expression"
            )


def is_known(service: Document) -> bool:
    """Return whether the name, the scope and the protocol of a service are known, which the stack always writes."""
    fields = (service.fields.get(field) for field in (*SCOPE, "Protocol"))
    return service.has_known_name and not any(isinstance(value, Unevaluated) for value in fields)


def _by_index(value: object) -> object:
    """Return a value whose lists are maps by index, so that lists of different lengths are compared by member."""
    match value:
        case dict():
            return {key: _by_index(member) for key, member in value.items()}
        case list() if value:
            return {str(index): _by_index(member) for index, member in enumerate(value)}
        case _:
            return value


def _difference(path: FieldPath, before: object, after: object) -> str:
    is_header = {"initial_metadata", "request_headers_to_add"} & {*path}
    old, new = ("a header" if is_header else format_value(value) for value in (before, after))
    if after is UNSET:
        return f"no input expresses {'this map' if old == 'a map' else old}"
    return f"is not set, and the stack sets {new}" if before is UNSET else f"{old} becomes {new}"


def loss(document: Document, path: FieldPath, reason: str) -> str:
    """Return the message about a part of an entry."""
    title = f"{document.kind}/{document.name}" if document.name else document.kind
    place = f"{document.file}:{document.line_of(path)}: {title}"
    return headline("CT603", ": ".join(filter(None, [place, ".".join(path), reason])))


def assumed_version(inputs: JsonObject) -> Iterator[str]:
    """Yield a note if the inputs have a version of Envoy, which no entry contains."""
    if version := inputs.get("envoy_version"):
        is_old = version == release_text(OLDEST_ENVOY)
        change = f'. From "{release_text(SAMPLER_ENVOY)}" on, the stack adds a sampler to the tracer' if is_old else ""
        reason = f'envoy_version: is "{version}", the oldest Envoy that supports this tracing: entries do not name it'
        yield headline("CT604", f"{reason}. Set that of the mesh{change}")
