"""The search for entries and proxy configurations in the content of a file, and for tracing keys elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from consul_tracing.entries.custom_resources import GROUP, body
from consul_tracing.errors import FileError
from consul_tracing.names import PROXY_CONFIG_MAP, TRACING_KEYS

from .annotations import annotated_gateway, gateway_in_values, ignored_reason
from .document import Document, document_of, merged
from .hcl import parse_expression, parse_json
from .recognition import (
    ENTRY_JSON,
    entry_kind,
    gateway_kind,
    is_consul_gateway,
    is_custom_resource,
    is_entry,
    is_registration,
    meant_kind,
    member_of,
)
from .values import Heredoc, Items, JsonText, Map, Unevaluated, line_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from consul_tracing.names import FieldPath

    from .document import Form

REGISTRATIONS = frozenset({"service", "services"})
"""Keys of registrations. That of a gateway has the kind of an entry."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Annotation with kubectl's copy of the object."""

PROXY_DEFAULTS_IN_VALUES = ("centralconfig", "proxydefaults")
"""The value of consul-k8s' former Helm charts with the `Config` of proxy-defaults, as JSON."""

META_ARGUMENTS = frozenset(
    {"connection", "count", "depends_on", "for_each", "id", "lifecycle", "provider", "provisioner"}
)
"""Arguments of every resource of Terraform."""

NOT_READ = "in a place that lint does not read"

TRACING_KEY = re.compile("|".join(TRACING_KEYS), re.IGNORECASE)
ASSIGNED = re.compile(rf"(?:{TRACING_KEY.pattern})(?:[\\\"'\]]*\s*[:=]|[\\\"']*\s*$)", re.IGNORECASE | re.MULTILINE)
"""A tracing key with a value, or at the end of a path. Other text that names one is prose."""

VALUES = re.compile(r"[:={]")
"""Characters of every text with an entry."""

COMMENT = re.compile(r"^[^\S\n]*(?:#|//).*", re.MULTILINE)
MAY_CONTAIN_AN_ENTRY = re.compile(
    rf"{TRACING_KEY.pattern}|{re.escape(GROUP)}/|(?:proxy|service)-?defaults", re.IGNORECASE
)
PATCH = re.compile(r"/spec(?:/config)?(?:/([\w~-]+))?")
"""The path of a JSON patch (RFC 6902) in a ProxyDefaults."""

MISSING = "none"
"""The kind of an entry without one."""


class Place(NamedTuple):
    """A line with the reason why it is named."""

    line: int
    reason: str


@dataclass
class Content:
    """What a file contains."""

    documents: list[Document] = field(default_factory=list)
    unread: list[Place] = field(default_factory=list)
    """Tracing keys in places that are not read."""
    ignored: list[Place] = field(default_factory=list)
    """Annotations of pods that consul-k8s ignores."""
    refused: Place | None = None
    """The first construct that is not HCL 1, in text that Consul reads."""
    template: Place | None = None
    """The reason why a file cannot be read before it is rendered."""

    def add(self, other: Content) -> None:
        """Add the content of a text inside of the file."""
        self.documents += other.documents
        self.unread += other.unread
        self.ignored += other.ignored
        self.refused = self.refused or other.refused


def lines_of_tracing_keys(text: str) -> list[int]:
    """Return the lines, from 1, on which a text gives a value to a tracing key, without comments."""
    without_comments = COMMENT.sub(lambda comment: " " * len(comment[0]), text)
    return line_numbers(text, [key.start() for key in ASSIGNED.finditer(without_comments)])


class Finder:
    """Walk through the content of a file, or of a text inside of it."""

    def __init__(
        self,
        file: str,
        form: Form,
        read_text: Callable[[str, str, Finder], Content],
        first_line: int = 1,
        fixed_line: int | None = None,
    ) -> None:
        """Start with no content.

        `read_text` reads a text inside of the file. `first_line`: the line on which the text starts. `fixed_line`: the
        only line of a text without line breaks of its own.
        """
        self.file = file
        self.form: Form = form
        self.first_line = first_line
        self.content = Content()
        self._read_text = read_text
        self._fixed_line = fixed_line
        self._is_patch = False
        self._outer_path: FieldPath = ()
        self._is_in_object = False

    def line_of(self, line: int) -> int:
        """Return the line in the file."""
        return line if self._fixed_line is None else self._fixed_line

    def walk(self, value: object, line: int = 1, path: FieldPath = (), service: str = "") -> None:
        """Find the documents in a value. `path`: its keys. `service`: the name of the nearest object around it."""
        match value:
            case Map():
                self._map(value, path, service)
            case list():
                lines = value.lines if isinstance(value, Items) else []
                for member, own in zip_longest(value, lines, fillvalue=line):
                    self.walk(member, own, path, service)
            case JsonText():
                self.walk(value.encoded, line, path, service)
            case Unevaluated() if value.encoded is not None:
                self.walk(value.encoded, line, path, service)
            case Unevaluated(inner=str(text)) | str(text):
                self._text(text, line, path)
            case Unevaluated() if ASSIGNED.search(value.text):
                self._add_unread(line, "in an expression that lint does not read")

    def _map(self, content: Map, path: FieldPath, service: str) -> None:
        version, kind, name = content.get("apiVersion"), member_of(content, "kind"), member_of(content, "name")
        if isinstance(version, str) and isinstance(content.get("kind"), str):
            self._object(content, version, path)
        elif isinstance(content.get("op"), str) and isinstance(content.get("path"), str):
            self._patch(content)
        elif isinstance(name, str) and name.lower().endswith(".".join(PROXY_DEFAULTS_IN_VALUES)):
            # A value that Terraform sets in a Helm release.
            line = content.lines.get("value", content.line)
            self._config(content.get("value"), line, path, kind="proxy-defaults", name="global")
        elif is_registration(content) or (path and path[-1].lower() in REGISTRATIONS):
            self._members(content, path, name if isinstance(name, str) else service)
        elif isinstance(kind, str) and not self._is_in_object and is_entry(content, kind, self.form, path):
            self._entry(content, entry_kind(kind) or kind)
        elif kind is None and not path and (meant := meant_kind(content, self.form)):
            self._entry(content, meant)
        else:
            self._members(content, path, name if isinstance(name, str) else service)

    def _members(self, content: Map, path: FieldPath, service: str, without: Collection[str] = ()) -> None:
        for key, value in content.items():
            line = content.lines.get(key, content.line)
            if key.lower() in without or key == LAST_APPLIED:
                continue
            if TRACING_KEY.search(key):
                self._add_unread(line, NOT_READ)
            elif key == PROXY_CONFIG_MAP:
                gateway = annotated_gateway(content) or gateway_in_values((*self._outer_path, *path))
                self._proxy_config_map(value, line, service, gateway)
            elif tuple(one.lower() for one in (*path[-1:], key)) == PROXY_DEFAULTS_IN_VALUES:
                self._config(value, line, (*path, key), kind="proxy-defaults", name="global")
            elif key == "consul_config_entry" and isinstance(value, Map):
                self._terraform(value)
            elif key == "consul_config_entry_service_defaults" and isinstance(value, Map):
                self._service_defaults_of_terraform(value)
            elif key.lower() == "proxy":
                self._proxy(value, content, path, service)
            else:
                self.walk(value, line, (*path, key), service)

    def _terraform(self, resources: Map) -> None:
        """Read Terraform's resources. A data source has no content."""
        for label, resource in resources.items():
            for one in resource if isinstance(resource, list) else [resource]:
                if isinstance(one, Map) and member_of(one, *ENTRY_JSON) is not None:
                    self.walk(one, resources.lines.get(label, resources.line), ("consul_config_entry",))

    def _service_defaults_of_terraform(self, resources: Map) -> None:
        """Read Terraform's resources with the fields of service-defaults as their arguments."""
        for resource in resources.values():
            for one in resource if isinstance(resource, list) else [resource]:
                if isinstance(one, Map):
                    fields = Map(one.line)
                    for name in one.keys() - META_ARGUMENTS:
                        fields.put(name, one[name], one.lines.get(name, one.line))
                    kind = "service-defaults"
                    self._add(
                        document_of(fields, self.file, "terraform", kind=kind, name=one.get("name"), written_kind=kind)
                    )

    def _proxy(self, value: object, around: Map, path: FieldPath, service: str) -> None:
        """Read the `proxy` of a registration."""
        proxy = merged(value)
        config = merged(member_of(proxy, "config")) if isinstance(proxy, Map) else None
        if not isinstance(proxy, Map) or not isinstance(config, Map | Unevaluated):
            self.walk(value, around.line, (*path, "proxy"), service)
            return
        fields = Map(proxy.line)
        line = next(proxy.lines.get(name, proxy.line) for name in proxy if name.lower() == "config")
        fields.put("Config", config, line)
        self._add(
            document_of(
                fields,
                self.file,
                self.form,
                kind="registration",
                name=service,
                line=proxy.line,
                gateway=gateway_kind(around),
            )
        )
        self._members(proxy, (*path, "proxy"), service, without={"config"})

    def _proxy_config_map(self, value: object, line: int, service: str, gateway: str) -> None:
        if reason := ignored_reason(value):
            self.content.ignored.append(Place(self.line_of(line), reason))
        elif value != "":
            self._config(value, line, (PROXY_CONFIG_MAP,), kind="registration", name=service, gateway=gateway)

    def _config(self, value: object, line: int, path: FieldPath, **identity: str) -> None:
        """Read a `Config` on its own, which is a map or its JSON."""
        config = value.encoded if isinstance(value, JsonText) else value
        if isinstance(config, str):
            try:
                config = parse_json(config, self.file, line + isinstance(config, Heredoc))
            except FileError as error:
                self._add_unread(
                    error.line if isinstance(value, Heredoc) else line, f"in text that lint cannot read: {error.reason}"
                )
                return
        if not isinstance(config, Map | Unevaluated):
            self.walk(value, line, path)
            return
        fields = Map(line)
        fields.put("Config", config, line)
        self._add(document_of(fields, self.file, self.form, line=line, is_in_object=True, **identity))

    def _patch(self, operation: Map) -> None:
        """Read an operation of a JSON patch (RFC 6902), as kustomize has them."""
        place, value = PATCH.fullmatch(operation["path"]), operation.get("value")
        line = operation.lines.get("value", operation.line)
        config = Map(line)
        if place and place[1] and "/config/" in operation["path"]:
            config.put(place[1], value, line)
        elif operation["path"] == "/spec/config" and isinstance(value, Map):
            config = value
        else:
            self._members(operation, (), "")
            return
        if operation["op"] not in {"add", "replace"}:
            self._members(operation, (), "")
        elif any(key.lower() in TRACING_KEYS for key in config):
            fields = Map(operation.line)
            fields.put("Config", config, line)
            places = {"is_in_object": True, "is_partial": True}
            self._add(document_of(fields, self.file, self.form, kind="proxy-defaults", name="global", **places))

    def _object(self, content: Map, version: str, path: FieldPath) -> None:
        """Read an object of Kubernetes: an entry, a list, or another object with entries inside of it."""
        kind, metadata, spec = content["kind"], content.get("metadata"), content.get("spec")
        name = metadata.get("name") if isinstance(metadata, Map) else None
        is_gateway = is_consul_gateway(version, kind, spec)
        if not isinstance(metadata, Map) or not (is_gateway or is_custom_resource(version, kind)):
            is_in_object, self._is_in_object = self._is_in_object, True
            self._members(content, path, name if isinstance(name, str) else "")
            self._is_in_object = is_in_object
            return
        fields = Map(content.line)
        if isinstance(spec, Map):
            fields.update(spec)
            fields.lines = spec.lines
            fields.has_unknown_keys = spec.has_unknown_keys
        elif isinstance(spec, Unevaluated):
            fields.put("config", spec, content.lines["spec"])
        annotations = metadata.get("annotations")
        if ownership := body({"metadata": {"annotations": annotations if isinstance(annotations, Map) else {}}})[
            "Meta"
        ]:
            fields.put("Meta", ownership, metadata.lines["annotations"])
        if isinstance(namespace := metadata.get("namespace"), str):
            fields.put("Namespace", namespace, metadata.lines["namespace"])
        self._add(
            document_of(
                fields,
                self.file,
                self.form,
                kind="api-gateway" if is_gateway else entry_kind(kind) or kind,
                name=name,
                written_kind=content["kind"],
                api_version=version,
                outer_keys=_outer_keys(content),
                is_partial=self._is_patch or fields.has_unknown_keys,
            )
        )
        self.walk(metadata, content.lines.get("metadata", content.line), (*path, "metadata"))

    def _entry(self, content: Map, kind: str) -> None:
        """Read an entry, or the entry of a resource of Terraform or Pulumi."""
        if repeated := [key for key in content.replaced if key.lower() == "kind"]:
            raise FileError(self.file, content.lines[repeated[0]], "a file must contain one entry in HCL")
        name, line = member_of(content, "name"), content.line
        shared = {"kind": kind, "name": name, "written_kind": member_of(content, "kind") or MISSING}
        encoded = member_of(content, *ENTRY_JSON)
        if encoded is None:
            self._add(document_of(content, self.file, self.form, is_partial=content.has_unknown_keys, **shared))
            return
        key = next(key for key in content if key.lower() in ENTRY_JSON)
        line_of_key = content.lines.get(key, line)
        encoded = self._encoded(encoded, line_of_key)
        fields = Map(line_of_key)
        if isinstance(encoded, Map):
            fields.update(encoded)
            fields.lines = dict(encoded.lines)
        elif isinstance(encoded, Unevaluated):
            fields.put("Config", encoded, line_of_key)
        for own in ("namespace", "partition"):
            if own in content:
                fields.put(own, content[own], content.lines.get(own, line))
        self._add(document_of(fields, self.file, "terraform", line=line, **shared))

    def _encoded(self, value: object, line: int) -> object:
        """Return the content of an entry's JSON."""
        match value:
            case Unevaluated(encoded=None, inner=str(inner)) if inner.startswith("${") and inner.endswith("}"):
                # An expression in Terraform's JSON.
                return self._encoded(parse_expression(inner[2:-1], self.file, line), line)
            case JsonText() | Unevaluated():
                return value.encoded or value
            case str():
                return parse_json(value, self.file, line + isinstance(value, Heredoc))
            case _:
                return value

    def _text(self, text: str, line: int, path: FieldPath) -> None:
        """Read a text inside of the file: JSON, HCL or YAML."""
        if not MAY_CONTAIN_AN_ENTRY.search(text):
            return
        if not VALUES.search(text):
            if ASSIGNED.search(text):
                self._add_unread(line, NOT_READ)
            return
        is_block = isinstance(text, Heredoc)
        inner = Finder(
            self.file,
            self.form,
            self._read_text,
            line + is_block,
            None if is_block and self._fixed_line is None else line,
        )
        inner._is_patch = "patch" in "".join(path[-2:]).lower()
        inner._outer_path = (*self._outer_path, *path)
        try:
            found = self._read_text(str(text), path[-1] if path else "", inner)
        except FileError as error:
            found, reason = Content(), f"in text that lint cannot read: {error.reason}"
        else:
            reason = NOT_READ
        self.content.add(found)
        if not found.documents and not found.unread and (offsets := lines_of_tracing_keys(text)):
            self._add_unread(line + offsets[0] if is_block else line, reason)

    def _add(self, document: Document) -> None:
        if self._fixed_line is not None:
            lines = dict.fromkeys(document.lines, self._fixed_line)
            outer = dict.fromkeys(document.outer_keys, self._fixed_line)
            document = replace(document, line=self._fixed_line, lines=lines, outer_keys=outer)
        lines = {**{(key,): line for key, line in document.outer_keys.items()}, **document.lines}
        document = replace(document, lines=lines)
        self.content.documents.append(document)

    def _add_unread(self, line: int, where: str) -> None:
        self.content.unread.append(Place(self.line_of(line), where))


def _outer_keys(content: Map) -> dict[str, int]:
    return {key: content.lines.get(key, content.line) for key in content if key != "spec"}
