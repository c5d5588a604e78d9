"""Config entries and proxy configurations in files, in every format in which users of Consul write them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import count
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import yaml
from yaml.constructor import SafeConstructor

from consul_tracing.backends.kubernetes.objects import GO_NAMES, annotations_of, ownership_metadata
from consul_tracing.inputs.entry_fields import (
    PROXY_DEFAULTS_FIELDS,
    RESERVED_PROXY_DEFAULTS_FIELDS,
    RESERVED_SERVICE_DEFAULTS_FIELDS,
    SERVICE_DEFAULTS_FIELDS,
)
from consul_tracing.names import EXTERNAL_SOURCE_KEY, STRUCTS

from .command import FileError
from .hcl import Blocks, JsonText, Map, Unevaluated, parse, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consul_tracing.names import FieldPath, JsonObject

Form = Literal["hcl", "json", "yaml", "terraform", "api"]

KINDS = frozenset(
    {
        "api-gateway",
        "bound-api-gateway",
        "control-plane-request-limit",
        "exported-services",
        "file-system-certificate",
        "http-route",
        "ingress-gateway",
        "inline-certificate",
        "jwt-provider",
        "mesh",
        "proxy-defaults",
        "sameness-group",
        "service-defaults",
        "service-intentions",
        "service-resolver",
        "service-router",
        "service-splitter",
        "tcp-route",
        "terminating-gateway",
    }
)
"""The kinds of config entries. Source: `api/config_entry.go` of Consul 1.22."""

CUSTOM_RESOURCES = "consul.hashicorp.com/"
"""The API group of consul-k8s' custom resources."""

SERVER_FIELDS = frozenset({"CreateIndex", "Hash", "Kind", "ModifyIndex", "Name", "Status"})
"""Fields that are no content of an entry."""

FREE_FORM = frozenset({"Arguments", "Config", "Meta"})
"""Fields with keys of any name, which are not converted."""

GO_NAMES_BY_LETTERS: Mapping[str, str] = {
    name.lower(): name
    for name in (
        *PROXY_DEFAULTS_FIELDS,
        *RESERVED_PROXY_DEFAULTS_FIELDS,
        *SERVICE_DEFAULTS_FIELDS,
        *RESERVED_SERVICE_DEFAULTS_FIELDS,
        *GO_NAMES.values(),
        *(step for path in STRUCTS for step in path),
    )
}
"""Consul's Go names of fields. Consul reads them in any case, and in snake_case."""

YAML_START = re.compile(r"(?:\s*(?:#.*)?\n)*(?:---|%YAML|- |[\"'\w.-]+\s*:(?:\s|$))")
"""The start of a YAML file. HCL has no colons outside of objects."""

YAML_TAG = "tag:yaml.org,2002:"
MERGE = f"{YAML_TAG}merge"
SCALARS = frozenset(f"{YAML_TAG}{kind}" for kind in ("bool", "float", "int", "null"))
"""The types of scalars in JSON, other than text."""

MAX_YAML_NODES = 1_000_000
"""Values of a YAML file after the expansion of its aliases."""


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

    A value that the file does not contain is Unevaluated: a variable, a function or a template.
    """

    lines: Mapping[FieldPath, int]
    """The line of each key, by its path in `fields`. Members of lists have their index in the path."""

    form: Form

    is_custom_resource: bool = False
    """Whether the entry is a custom resource of consul-k8s. `Namespace` is then the namespace on Kubernetes."""

    def line_of(self, path: FieldPath) -> int:
        """Return the line of the innermost known key of a path."""
        known = (self.lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in self.lines)
        return next(known, self.line)


def read_documents(text: str, file: str) -> list[Document]:
    """Return the entries and proxy configurations of a file in its order. Raises FileError for invalid syntax."""
    # PowerShell writes a byte order mark.
    text = text.removeprefix("\ufeff")
    form = form_of(text, file)
    try:
        match form:
            case "json":
                contents = [parse_json(text, file)]
            case "yaml":
                contents = list(parse_yaml(text, file))
            case _:
                contents = [parse(text, file)]
        return [document for content in contents for document in _found(content, file, form, "")]
    except RecursionError:
        raise FileError(file, 1, "the values are nested too deeply") from None


def form_of(text: str, file: str) -> Form:
    """Return the format of a text: from the name of its file, or from its start."""
    match PurePath(file).suffix.lower():
        case ".json":
            return "json"
        case ".yaml" | ".yml":
            return "yaml"
        case ".hcl" | ".tf" | ".nomad":
            return "hcl"
    if text.lstrip()[:1] in {"{", "["}:
        return "json"
    return "yaml" if YAML_START.match(text) else "hcl"


def parse_yaml(text: str, file: str) -> Iterator[object]:
    """Yield the documents of a YAML text, with the lines of their keys. Raises FileError for invalid syntax."""
    values = YamlValues(file)
    try:
        for node in yaml.compose_all(text, yaml.SafeLoader):
            yield values.value(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        raise FileError(file, mark.line + 1 if mark else 1, " ".join(reason.split())) from None
    except (ValueError, OverflowError) as error:
        # An escape that is no character, or a directive that is no number.
        raise FileError(file, 1, str(error)) from None


class YamlValues:
    """Conversion of YAML nodes to values."""

    def __init__(self, file: str) -> None:
        """Start a file."""
        self.file = file
        self._nodes = count()

    def value(self, node: yaml.Node) -> object:
        """Return the value of a node."""
        if next(self._nodes) > MAX_YAML_NODES:
            self._fail(node, "the aliases expand to too many values")
        match node:
            case yaml.MappingNode():
                return self._mapping(node)
            case yaml.SequenceNode():
                return [self.value(member) for member in node.value]
            case _:
                return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode) -> Map:
        content = Map(node.start_mark.line + 1)
        # yaml's own merge of `<<` expands aliases without a limit.
        for merged in reversed([member for key, member in node.value if key.tag == MERGE]):
            for one in reversed(merged.value) if isinstance(merged, yaml.SequenceNode) else [merged]:
                below = self.value(one)
                if not isinstance(below, Map):
                    self._fail(one, "<< must be a map or a list of maps")
                content.update(below)
                content.lines |= below.lines
        for key, member in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fail(key, "a key must be text")
            if key.tag != MERGE:
                content[key.value] = self.value(member)
                content.lines[key.value] = key.start_mark.line + 1
        return content

    def _scalar(self, node: yaml.Node) -> object:
        """Return the value of a scalar. Dates and other types that JSON does not have remain text."""
        if node.tag not in SCALARS:
            return node.value
        try:
            return SafeConstructor.yaml_constructors[node.tag](SafeConstructor(), node)
        except (ValueError, KeyError, IndexError, OverflowError):
            self._fail(node, f"the value is not of the type {node.tag.removeprefix(YAML_TAG)}")

    def _fail(self, node: yaml.Node, reason: str) -> NoReturn:
        raise FileError(self.file, node.start_mark.line + 1, reason)


def _found(content: object, file: str, form: Form, service: str) -> Iterator[Document]:
    """Yield the documents in a value. `service`: the name of the nearest object around it."""
    if isinstance(content, list):
        for member in content:
            yield from _found(member, file, form, service)
    if not isinstance(content, Map):
        return
    if isinstance(version := content.get("apiVersion"), str) and isinstance(content.get("kind"), str):
        yield from _custom_resources(content, version, file, form)
        return
    kind = _member(content, "kind")
    if isinstance(kind, str) and _entry_kind(kind) in KINDS:
        yield _document(content, content, file, form, _entry_kind(kind), _text(_member(content, "name")))
        return
    name = _member(content, "name")
    for key, value in content.items():
        around = name if isinstance(name, str) else _label(key, value, service)
        yield from _in_member(key, value, content.lines.get(key, content.line), file, form, around)


def _in_member(  # noqa: PLR0913, PLR0917 - a member and its place
    key: str, value: object, line: int, file: str, form: Form, service: str
) -> Iterator[Document]:
    """Yield the documents in a member of a map."""
    if key == "consul_config_entry" and isinstance(value, Map):
        yield from _terraform(value, file)
    elif isinstance(value, str) and CUSTOM_RESOURCES in value:
        # Terraform's `kubectl_manifest`. The text of a heredoc starts in the line after its key.
        for manifest in parse_yaml("\n" * line + value, file):
            yield from _found(manifest, file, form, "")
    elif key.lower() == "proxy" and isinstance(value, Map) and isinstance(_member(value, "config"), Map | Unevaluated):
        yield _document(value, value, file, form, "registration", service, only="Config")
    else:
        yield from _found(value, file, form, service)


def _label(key: str, value: object, service: str) -> str:
    """Return the name around a block: Nomad's and Terraform's blocks have labels."""
    return key if service == "" and isinstance(value, Map) and _member(value, "connect") is not None else service


def _member(content: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - any value
    """Return a member. Consul ignores the case of keys."""
    return next((value for key, value in content.items() if key.lower() == name), None)


def _entry_kind(kind: str) -> str:
    """Return the kind of an entry for the kind of its custom resource: `service-defaults` for `ServiceDefaults`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", kind).lower()


def _custom_resources(content: Map, version: str, file: str, form: Form) -> Iterator[Document]:
    """Yield the entries of a custom resource, or of a list of them."""
    if isinstance(items := content.get("items"), list):
        yield from _found(items, file, form, "")
    metadata = content.get("metadata")
    if not version.startswith(CUSTOM_RESOURCES) or not isinstance(metadata, Map):
        return
    spec = content.get("spec")
    located = spec if isinstance(spec, Map) else Map(content.line)
    kind, name = _entry_kind(content["kind"]), _text(metadata.get("name"))
    found = _document(located, located, file, form, kind, name, line=content.line)
    document = replace(found, is_custom_resource=True)
    if isinstance(namespace := metadata.get("namespace"), str):
        document.fields["Namespace"] = namespace
    live = {"metadata": {"annotations": metadata.get("annotations")}}
    if isinstance(annotations_of(live), dict) and (meta := dict(ownership_metadata(live))):
        document.fields["Meta"] = {**meta, EXTERNAL_SOURCE_KEY: "kubernetes"}
    yield document


def _terraform(resources: Map, file: str) -> Iterator[Document]:
    """Yield the entries of Terraform's `consul_config_entry` resources."""
    for resource in resources.values():
        if not isinstance(resource, Map):
            continue
        content = resource.get("config_json")
        line = resource.lines.get("config_json", resource.line)
        if isinstance(content, JsonText | Unevaluated) and content.encoded is not None:
            content = content.encoded
        elif isinstance(content, str):
            # The text of a heredoc starts in the line after its key.
            content = parse_json(content, file, line + 1 if "\n" in content else line)
        located = content if isinstance(content, Map) else Map(line)
        fields: JsonObject = {"Config": content} if isinstance(content, Unevaluated) else dict(located)
        fields |= {field: resource[field] for field in ("namespace", "partition") if field in resource}
        kind, name = _text(resource.get("kind")), _text(resource.get("name"))
        yield _document(located, fields, file, "terraform", kind, name, line=resource.line)


def _text(value: object) -> str:
    return value.text if isinstance(value, Unevaluated) else str(value or "")


def _document(  # noqa: PLR0913, PLR0917 - the fields of a document
    located: Map,
    content: Mapping[str, Any],
    file: str,
    form: Form,
    kind: str,
    name: str,
    *,
    line: int | None = None,
    only: str | None = None,
) -> Document:
    """Build a document. `located`: the map with the lines of the keys. `only`: the field that is read."""
    fields = {
        field: value
        for field, value in _go_named(content, ()).items()
        if field not in SERVER_FIELDS and only in {None, field}
    }
    return Document(file, located.line if line is None else line, kind, name, fields, dict(_lines(located, ())), form)


def _lines(value: object, path: FieldPath) -> Iterator[tuple[FieldPath, int]]:
    """Yield the line of each key in a value, by its path under Go names."""
    match value:
        case Map():
            for key, member in value.items():
                place = (*path, key if FREE_FORM & set(path) else go_name(key))
                yield place, value.lines.get(key, value.line)
                yield from _lines(member, place)
        case list():
            for index, member in enumerate(value):
                yield from _lines(member, path if len(value) == 1 and path in STRUCTS else (*path, str(index)))
        case JsonText() | Unevaluated():
            yield from _lines(value.encoded, path)


def _go_named(value: object, path: FieldPath) -> Any:  # noqa: ANN401 - any value
    """Convert the keys to Go names. HCL 1 reads blocks as lists of maps, which Consul merges."""
    if path in STRUCTS and (isinstance(value, Blocks) or (isinstance(value, list) and len(value) == 1)):
        maps = [member for member in value if isinstance(member, dict)]
        value = {key: member for one in maps for key, member in one.items()}
    match value:
        case dict() if path[-1:] and path[-1] in FREE_FORM:
            return dict(value)
        case dict():
            return {go_name(key): _go_named(member, (*path, go_name(key))) for key, member in value.items()}
        case list():
            return [_go_named(member, path) for member in value]
        case _:
            return value


def go_name(key: str) -> str:
    """Return the Go name of a field: `MeshGateway` for `mesh_gateway` and `meshGateway`."""
    named = "".join(part[:1].upper() + part[1:] for part in key.split("_"))
    return GO_NAMES_BY_LETTERS.get(named.lower(), named)
