"""Config entries and proxy configurations in files, in every format in which users of Consul write them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from consul_tracing.entries.custom_resources import GROUP, body
from consul_tracing.entries.metadata import is_of_consul_k8s
from consul_tracing.entry_structs import FREE_FORM, KINDS, READ_ONLY_FIELDS, STRUCTS, go_name
from consul_tracing.errors import FileError

from .hcl import Heredoc, JsonText, Map, Unevaluated, parse, parse_json
from .yaml_reader import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consul_tracing.names import FieldPath, JsonObject

Form = Literal["hcl", "json", "yaml", "terraform", "api"]

KINDS_BY_LETTERS = {kind.replace("-", ""): kind for kind in KINDS}
GATEWAY_API = "gateway.networking.k8s.io/"
GATEWAY_CLASSES = ("consul", "consul-api-gateway")
"""The classes of Consul's API gateways. Source: consul-k8s' Helm chart, and the former chart of API gateways."""

ENTRY_JSON = ("config_json", "configjson")
"""The field of Terraform's and Pulumi's resources with the JSON of an entry."""

YAML_START = re.compile(r"(?:\s*(?:#.*)?\n)*(?:---|%YAML|- |[\"'\w.-]+[^\S\n]*:(?:\s|$))")
"""The start of a YAML file. HCL has no colons outside of objects."""


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

    has_known_name: bool = True
    """Whether the name is text, not an expression."""

    is_custom_resource: bool = False
    """Whether the document is a custom resource of consul-k8s."""

    @property
    def is_on_kubernetes(self) -> bool:
        """Whether consul-k8s manages the entry."""
        meta = self.fields.get("Meta")
        return self.is_custom_resource or (isinstance(meta, dict) and is_of_consul_k8s(meta))

    def line_of(self, path: FieldPath) -> int:
        """Return the line of a field: of its nearest parent in the file if it has no line."""
        known = (self.lines.get(path[:length]) for length in range(len(path), 0, -1))
        return next((line for line in known if line is not None), self.line)


def read_documents(text: str, file: str) -> list[Document]:
    """Return the entries and proxy configurations of a file in its order. Raises FileError for invalid syntax."""
    form = form_of(text, file)
    parsers = {"json": parse_json_values, "yaml": parse_yaml}
    try:
        contents = parsers[form](text, file) if form in parsers else [parse(text, file)]
        return [document for content in contents for document in _found(content, file, form, "")]
    except RecursionError:
        raise FileError(file, 1, "the values are nested too deeply") from None
    except (ValueError, OverflowError):
        raise FileError(file, 1, "a number or an escape is out of range") from None


def form_of(text: str, file: str) -> Form:
    """Return the format of a text: from the name of its file, or from its start."""
    match PurePath(file).suffix.lower():
        case ".json":
            return "json"
        case ".yaml" | ".yml":
            return "yaml"
        case ".hcl" | ".tf" | ".nomad":
            return "hcl"
    if text.lstrip("\ufeff \t\r\n")[:1] in {"{", "["}:
        return "json"
    return "yaml" if YAML_START.match(text) else "hcl"


def parse_json_values(text: str, file: str) -> Iterator[object]:
    """Yield the values of a JSON text: one, or several from repeated `consul config read`. Raises FileError."""
    position = len(text) - len(text.lstrip("\ufeff \t\r\n"))
    while position < len(text):
        try:
            end = json.JSONDecoder().raw_decode(text, position)[1]
        except ValueError:
            end = len(text)
        yield parse_json(text[position:end], file, text.count("\n", 0, position) + 1)
        position = end + len(text[end:]) - len(text[end:].lstrip())


def _found(content: object, file: str, form: Form, service: str) -> Iterator[Document]:
    """Yield the documents in a value. `service`: the name of the nearest object around it."""
    if isinstance(content, list):
        for member in content:
            yield from _found(member, file, form, service)
    if not isinstance(content, Map):
        return
    if isinstance(version := content.get("apiVersion"), str):
        yield from _custom_resources(content, version, file, form)
    elif isinstance(kind := _member(content, "kind"), str) and _entry_kind(kind) in KINDS:
        yield _entry(content, _entry_kind(kind), file, form)
    else:
        name = _member(content, "name")
        for key, value in content.items():
            if isinstance(value, Heredoc) and f"{GROUP}/" in value:
                # Terraform's `kubectl_manifest`. Line breaks keep the lines of the file.
                yield from _found(list(parse_yaml("\n" * content.lines[key] + value, file)), file, "yaml", "")
            yield from _found_in(key, value, file, form, name if isinstance(name, str) else service)


def _found_in(key: str, value: object, file: str, form: Form, service: str) -> Iterator[Document]:
    """Yield the documents in a member of an object that is not a document."""
    if key == "consul_config_entry" and isinstance(value, Map):
        # A data source has no content.
        for resource in value.values():
            if isinstance(resource, Map) and _member(resource, *ENTRY_JSON) is not None:
                yield from _found(resource, file, form, "")
        return
    proxy = _merged(value) if key.lower() == "proxy" else None
    config = _merged(_member(proxy, "config")) if isinstance(proxy, Map) else None
    if isinstance(proxy, Map) and isinstance(config, Map | Unevaluated):
        fields = Map(proxy.line)
        fields.put(
            "Config", config, next(proxy.lines.get(name, proxy.line) for name in proxy if name.lower() == "config")
        )
        yield _document(fields, file, form, kind="registration", name=service, line=proxy.line)
    else:
        yield from _found(value, file, form, service)


def _member(content: Map, *names: str) -> Any:  # noqa: ANN401 - any value
    """Return a member. Consul ignores the case of keys."""
    return next((value for key, value in content.items() if key.lower() in names), None)


def _merged(value: object) -> object:
    """Merge repeated blocks of a struct, as Consul does. A list with one map is also how HCL 1 reads a block."""
    if not isinstance(value, list) or not value or not all(isinstance(block, Map) for block in value):
        return value
    content = Map(value[0].line)
    for block in value:
        content.update(block)
        content.lines |= block.lines
    return content


def _entry_kind(kind: str) -> str:
    """Return the kind of an entry, also for the kind of a custom resource: `service-defaults` for `ServiceDefaults`."""
    return KINDS_BY_LETTERS.get(kind.lower().replace("-", "").replace("_", ""), kind)


def _custom_resources(content: Map, version: str, file: str, form: Form) -> Iterator[Document]:
    """Yield the entries of a custom resource, or of a list of them."""
    yield from _found(content.get("items"), file, form, "")
    kind, metadata, spec = content.get("kind"), content.get("metadata"), content.get("spec")
    if not isinstance(kind, str) or not isinstance(metadata, Map):
        return
    gateway_class = spec.get("gatewayClassName") if isinstance(spec, Map) else None
    if version.startswith(GATEWAY_API) and kind == "Gateway" and gateway_class in GATEWAY_CLASSES:
        kind = "api-gateway"
    elif not version.startswith(f"{GROUP}/"):
        return
    fields = Map(content.line)
    if isinstance(spec, Map):
        fields.update(spec)
        fields.lines = spec.lines
    annotations = metadata.get("annotations")
    if ownership := body({"metadata": {"annotations": annotations if isinstance(annotations, Map) else {}}})["Meta"]:
        fields.put("Meta", ownership, metadata.lines["annotations"])
    if isinstance(namespace := metadata.get("namespace"), str):
        fields.put("Namespace", namespace, metadata.lines["namespace"])
    document = _document(fields, file, form, kind=_entry_kind(kind), name=metadata.get("name"))
    yield replace(document, is_custom_resource=True)


def _entry(content: Map, kind: str, file: str, form: Form) -> Document:
    """Return an entry, or the entry of a resource of Terraform or Pulumi."""
    if repeated := [key for key in content.replaced if key.lower() == "kind"]:
        raise FileError(file, content.lines[repeated[0]], "a file must contain one entry in HCL")
    name, line = _member(content, "name"), content.line
    encoded = _member(content, *ENTRY_JSON)
    if encoded is None:
        return _document(content, file, form, kind=kind, name=name)
    key = next(key for key in content if key.lower() in ENTRY_JSON)
    line_of_key = content.lines.get(key, line)
    if isinstance(encoded, JsonText | Unevaluated):
        encoded = encoded.encoded or encoded
    elif isinstance(encoded, str):
        encoded = parse_json(encoded, file, line_of_key + isinstance(encoded, Heredoc))
    fields = Map(line_of_key)
    if isinstance(encoded, Map):
        fields.update(encoded)
        fields.lines = dict(encoded.lines)
    elif isinstance(encoded, Unevaluated):
        fields.put("Config", encoded, line_of_key)
    for field in ("namespace", "partition"):
        if field in content:
            fields.put(field, content[field], content.lines.get(field, line))
    return _document(fields, file, "terraform", kind=kind, name=name, line=line)


def _document(  # noqa: PLR0913 - the fields of a document
    content: Map, file: str, form: Form, *, kind: str, name: object, line: int | None = None
) -> Document:
    """Build a document with fields under their Go names."""
    fields = _go_named(content, ())
    for field in {*READ_ONLY_FIELDS, "Kind", "Name"} & fields.keys():
        del fields[field]
    if form == "hcl" and "Config" in fields:
        fields["Config"] = _without_lists_of_one(fields["Config"])
    return Document(
        file=file,
        line=content.line if line is None else line,
        kind=kind,
        name=name.text if isinstance(name, Unevaluated) else str(name or ""),
        has_known_name=not isinstance(name, Unevaluated),
        fields=fields,
        lines=dict(_lines(fields, ())),
        form=form,
    )


def _go_named(value: object, path: FieldPath) -> Any:  # noqa: ANN401 - any value
    """Convert the keys to Go names. Consul accepts them in snake case and in any case."""
    if path in STRUCTS:
        value = _merged(value)
    match value:
        case Map():
            named = Map(value.line)
            for key, member in value.items():
                name = go_name(key) if FREE_FORM.isdisjoint(path) else key
                named[name] = _go_named(member, (*path, name))
                named.lines[name] = value.lines.get(key, value.line)
            return named
        case list():
            return [_go_named(member, (*path, str(index))) for index, member in enumerate(value)]
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
