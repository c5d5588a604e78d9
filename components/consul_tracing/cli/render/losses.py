"""The fields of entries that the recovered settings do not express."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.cli.meaning import UNSET, at, differences, mesh_meaning, service_meaning
from consul_tracing.entries.bodies import proxy_defaults, service_defaults
from consul_tracing.errors import format_value, message
from consul_tracing.files.hcl import Unevaluated
from consul_tracing.names import TRACING_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from consul_tracing.files.documents import Document
    from consul_tracing.inputs.mesh_settings import MeshSettings
    from consul_tracing.names import FieldPath, JsonObject

UNKNOWN_HOST = "collector.invalid"
"""Placeholder of a collector that the entries do not name (RFC 2606)."""


def mesh_losses(
    mesh: Document, services: Mapping[str, Document], old: JsonObject, settings: MeshSettings
) -> Iterator[str]:
    """Yield a message for each difference between the entries and those of the settings. `old`: the mesh's meaning."""
    new = mesh_meaning(proxy_defaults(settings).body)
    if mesh.is_on_kubernetes:
        old = {field: value for field, value in old.items() if field != "Meta"}
    yield from (_loss(mesh, *difference) for difference in differences(old, new))
    if settings.collector.host == UNKNOWN_HOST:
        yield _loss(mesh, ("collector",), UNSET, UNKNOWN_HOST)
    entries, protocol = service_defaults(settings), at(old, "Config", "protocol")
    for key, document in services.items():
        before = service_meaning(document.fields, protocol)
        if document.is_on_kubernetes:
            before.pop("Meta", None)
        if key not in entries:
            yield _loss(document, (), UNSET, UNSET)
            continue
        after = service_meaning(entries[key].body, protocol)
        yield from (_loss(document, *difference) for difference in differences(before, after))


def other_losses(documents: Sequence[Document]) -> Iterator[str]:
    """Yield services whose name is unknown, and registrations with tracing: settings apply to the whole mesh."""
    for document in documents:
        config = document.fields.get("Config")
        has_tracing = document.kind == "registration" and (
            not isinstance(config, dict) or not TRACING_KEYS.keys().isdisjoint(key.lower() for key in config)
        )
        if has_tracing or (document.kind == "service-defaults" and not document.has_known_name):
            yield _loss(document, (), UNSET, UNSET)
        elif document.kind in {"proxy-defaults", "service-defaults"}:
            for field in ("Namespace", "Partition"):
                if isinstance(value := document.fields.get(field), Unevaluated):
                    yield _loss(document, (field,), value, UNSET)


def _loss(document: Document, path: FieldPath, old: object, new: object) -> str:
    """Return the message of a difference between an entry and the settings."""
    title = f"{document.kind}/{document.name}" if document.name else document.kind
    where = f"{document.file}:{document.line_of(path)}: {title}"
    if path == ("collector",):
        return message("CT603", f"{where}: the entry has no supported collector. Set collector.host")
    if not path:
        return message("CT603", f"{where} is not supported")
    is_header = {"initial_metadata", "request_headers_to_add"} & {*path}
    shown, becomes = ("a header" if is_header else _shown(value) for value in (old, new))
    outcome = f"{shown} is not supported" if new is UNSET else f"{shown} becomes {becomes}"
    if old is UNSET:
        outcome = f"unset becomes {becomes}"
    return message("CT603", ": ".join(filter(None, [where, ".".join(path), outcome])))


def _shown(value: object) -> str:
    return f"the unknown value {format_value(value.text)}" if isinstance(value, Unevaluated) else format_value(value)
