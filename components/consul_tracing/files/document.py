"""A config entry or a proxy configuration in a file, with the lines of its fields."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from consul_tracing.entries.metadata import is_of_consul_k8s
from consul_tracing.entry_structs import FREE_FORM, READ_ONLY_FIELDS, STRUCTS, go_name
from consul_tracing.envoy_messages.json_values import snake_case
from consul_tracing.errors import FileError
from consul_tracing.names import TRACING_KEYS

from .hcl import parse_json
from .templates import Masked
from .values import Blocks, Heredoc, JsonText, Map, Unevaluated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consul_tracing.names import FieldPath, JsonObject

Form = Literal["hcl", "json", "yaml", "terraform", "api"]


@dataclass(frozen=True)
class Document:
    """A config entry, or the proxy configuration of a registration, found in a file."""

    file: str
    line: int

    kind: str
    """`proxy-defaults`, `service-defaults`, another kind of config entry, or `registration`."""

    name: str
    """The name of the entry. For a registration, the name of the service, empty if the file has none."""

    fields: JsonObject
    """The fields under Consul's Go names, without kind and name. A registration has only `Config`.

    A value that the file does not contain is Unevaluated: a variable, a function or a template. The namespace of a
    custom resource is `Namespace`, and its ownership metadata is `Meta`.
    """

    lines: Mapping[FieldPath, int]
    """The line of each key, by its path in `fields`. Members of lists have their index in the path.

    The path continues inside `jsonencode` and inside JSON in heredocs and block scalars. Several JSON objects separated
    by commas have their index in the path.
    """

    form: Form

    keys: Mapping[FieldPath, str] = field(default_factory=dict)
    """The keys as in the file, by their path in `fields`."""

    has_known_name: bool = True
    """Whether the name is text, not an expression."""

    written_kind: str = ""
    """The kind as in the file. Empty for a registration and for an entry without a kind of its own."""

    api_version: str = ""
    """The `apiVersion` of a custom resource of consul-k8s. Empty for other documents."""

    outer_keys: Mapping[str, int] = field(default_factory=dict)
    """The keys of a custom resource beside `spec`, with their lines."""

    gateway: str = ""
    """The kind of the gateway to which a registration belongs: `ingress-gateway`. Empty for sidecars."""

    repeated: tuple[FieldPath, ...] = ()
    """The fields with several blocks, which Consul refuses unless their keys are free."""

    is_in_object: bool = False
    """Whether the document is in an annotation of a pod, in a patch of a custom resource or in Helm's values."""

    is_partial: bool = False
    """Whether the file contains a part of the entry only: a patch, or an entry whose other keys a template adds."""

    @property
    def is_custom_resource(self) -> bool:
        """Whether the document is a custom resource of consul-k8s."""
        return bool(self.api_version)

    @property
    def is_on_kubernetes(self) -> bool:
        """Whether consul-k8s manages the entry."""
        meta = self.fields.get("Meta")
        return self.is_custom_resource or self.is_in_object or (isinstance(meta, dict) and is_of_consul_k8s(meta))

    @cached_property
    def lines_in_snake_case(self) -> Mapping[FieldPath, int]:
        """The line of each key, by its path in snake case."""
        return {tuple(map(snake_case, path)): line for path, line in self.lines.items()}

    def line_of(self, path: FieldPath) -> int:
        """Return the line of a field: of its nearest parent in the file if it has no line."""
        known = (self.lines.get(path[:length]) for length in range(len(path), 0, -1))
        return next((line for line in known if line is not None), self.line)


def document_of(  # noqa: PLR0913 - the fields of a document
    content: Map,
    file: str,
    form: Form,
    *,
    kind: str,
    name: object = "",
    line: int | None = None,
    **more: Any,  # noqa: ANN401 - fields of several types
) -> Document:
    """Build a document with fields under their Go names. `more`: further fields of the document."""
    keys: dict[FieldPath, str] = {}
    repeated: list[FieldPath] = []
    fields = _go_named(content, (), keys, repeated)
    for read_only in {*READ_ONLY_FIELDS, "Kind", "Name"} & fields.keys():
        del fields[read_only]
    config = fields.get("Config")
    if form == "hcl" and "Config" in fields:
        config = fields["Config"] = _without_lists_of_one(config)
    if isinstance(config, Map):
        for key in config:
            if key.lower() in TRACING_KEYS:
                config[key] = _with_known_parts(config[key], config.lines.get(key, config.line))
    lines = dict(_lines(fields, ()))
    return Document(
        file=file,
        line=content.line if line is None else line,
        kind=kind,
        name=name.text if isinstance(name, Unevaluated) else str(name or ""),
        has_known_name=not isinstance(name, Unevaluated),
        fields=fields,
        lines={**_lines_of_keys(keys, lines), **lines},
        form=form,
        keys=keys,
        repeated=tuple(repeated),
        is_partial=more.pop("is_partial", False) or (isinstance(config, Map) and config.has_unknown_keys),
        **more,
    )


def _lines_of_keys(keys: Mapping[FieldPath, str], lines: Mapping[FieldPath, int]) -> dict[FieldPath, int]:
    return {(*path[:-1], key): lines[path] for path, key in keys.items() if path in lines}


def merged(value: object) -> object:
    """Merge repeated blocks of a struct, as Consul does. A list with one map is also how HCL 1 reads a block."""
    if not isinstance(value, list) or not value or not all(isinstance(block, Map) for block in value):
        return value
    content = Map(value[0].line)
    for block in value:
        content.replaced |= block.replaced | (content.keys() & block.keys())
        content.update(block)
        content.lines |= block.lines
    return content


def _go_named(value: object, path: FieldPath, keys: dict[FieldPath, str], repeated: list[FieldPath]) -> Any:  # noqa: ANN401 - any value
    """Convert the keys to Go names. Consul accepts them in snake case and in any case."""
    if path in STRUCTS:
        if isinstance(value, Blocks) and FREE_FORM.isdisjoint(path):
            repeated.append(path)
        value = merged(value)
    match value:
        case Map():
            named = Map(value.line)
            named.replaced, named.has_unknown_keys = value.replaced, value.has_unknown_keys
            for key, member in value.items():
                name = go_name(key) if FREE_FORM.isdisjoint(path) else key
                keys[*path, name] = key
                named[name] = _go_named(member, (*path, name), keys, repeated)
                named.lines[name] = value.lines.get(key, value.line)
            return named
        case list():
            return [_go_named(member, (*path, str(index)), keys, repeated) for index, member in enumerate(value)]
        case _:
            return value


def _without_lists_of_one(value: object) -> Any:  # noqa: ANN401 - any value
    """Replace lists with one element by the element, as Consul does in the `Config` of an HCL file."""
    match value:
        case Map():
            for key, member in value.items():
                value[key] = _without_lists_of_one(member)
        case [member]:
            return _without_lists_of_one(member)
    return value


def _with_known_parts(value: object, line: int) -> object:
    """Return JSON text with templates as unevaluated, with its content. Text that is not JSON is an error later.

    A template without a value, such as `{{ if }}`, can make any text valid: the content is then unknown.
    """
    if not isinstance(value, Unevaluated) or value.encoded is not None or value.inner is None:
        return value
    masked = Masked(value.inner)
    try:
        objects = parse_json(f"[{masked.text}]", "", line + isinstance(value.inner, Heredoc))
    except FileError:
        if masked.has_control:
            return value
        # Braces of several values are no template if the text is JSON with them.
        return type(value.inner)(value.inner if _is_json(value.inner) else masked.text)
    found = masked.restored(objects)
    return Unevaluated(value.text, found[0] if len(found) == 1 else Blocks(found))


def _is_json(text: str) -> bool:
    try:
        json.loads(f"[{text}]")
    except (ValueError, RecursionError):
        return False
    return True


def _lines(value: object, path: FieldPath) -> Iterator[tuple[FieldPath, int]]:
    """Yield the line of each key in a value."""
    match value:
        case Map():
            for key, member in value.items():
                line = value.lines.get(key, value.line)
                yield (*path, key), line
                yield from _lines(_decoded(member, line) if key.lower().endswith("_json") else member, (*path, key))
        case list():
            for index, member in enumerate(value):
                yield from _lines(member, (*path, str(index)))


def _decoded(value: object, line: int) -> object:
    """Return the value of JSON text that has lines of its own, or the unchanged value."""
    match value:
        case JsonText() | Unevaluated():
            return value.encoded
        case Heredoc():
            try:
                objects = parse_json(f"[{value}]", "", line + 1)
            except FileError:
                return value
            return objects[0] if isinstance(objects, list) and len(objects) == 1 else objects
        case _:
            return value
