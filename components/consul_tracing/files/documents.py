"""Config entries and proxy configurations in files, in every format in which users of Consul write them."""

from __future__ import annotations

import json
import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from consul_tracing.entry_structs import KINDS
from consul_tracing.errors import FileError

from .finder import NOT_READ, Content, Finder, Place, lines_of_tracing_keys
from .hcl import parse, parse_json
from .hcl1 import first_refused
from .templates import Masked
from .yaml_reader import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .document import Document, Form

BLANKS = re.compile(r"\s*")
KEY_OF_YAML = re.compile(r"""---|%YAML|- |(?:'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|[\w.-][\w.,/"'-]*)[^\S\n]*:(?:\s|$)""")
"""The start of the first line with content in a YAML file. HCL has no colons outside of objects."""

CONSUL_ROOTS = frozenset({"kind", "config_entries", "service", "services"})
"""Keys at the root of the HCL files that Consul reads: an entry, its configuration, registrations."""

KIND_AT_ROOT = re.compile(r'^"?(?:[Kk]ind|Name)"?[^\S\n]*[=:]', re.MULTILINE)

OTHER_HCL = (".tf", ".nomad", ".tofu")
"""Suffixes of the files that Terraform and Nomad read, as HCL 2."""

ABOUT_CONSUL = re.compile(
    r"envoy_|consul|sidecar_?service|(?:proxy|service|exported)[-_]?(?:defaults|router|splitter|resolver|intentions|"
    r"services)|(?:ingress|api|terminating|mesh)[-_]?gateway|^[^\S\n]*\"?kind\"?[^\S\n]*=|"
    r"^(?-i:Name)[^\S\n]*=|^(?-i:Kind)[^\S\n]*:",
    re.IGNORECASE | re.MULTILINE,
)
"""Words of the files in which entries and registrations are written."""

MAY_HAVE_ENTRIES = re.compile(
    rf"{ABOUT_CONSUL.pattern}|\bkind[\"']?\s*[:=]\s*[\"']?[\w-]*(?:{'|'.join(KINDS)})|\bproxy[\"']?\s*[:={{]|[{{$%]{{",
    ABOUT_CONSUL.flags,
)
"""Text of each file with an entry, a registration or a template."""

RENDER = "is not checked, because the file is a template. Render it: helm template ... | consul-tracing lint -"


def read_documents(text: str, file: str, *, is_live: bool = False) -> list[Document]:
    """Return the entries and proxy configurations of a file in its order. Raises FileError for invalid syntax.

    `is_live`: the text is what Consul or Kubernetes holds, which has no templates.
    """
    return read_file(text, file, is_live=is_live).documents


def read_file(text: str, file: str, *, is_live: bool = False) -> Content:
    """Return what a file contains. Raises FileError for invalid syntax."""
    form = form_of(text, file)
    masked = Masked("" if is_live else text, is_yaml=form == "yaml", is_hcl=form == "hcl", is_json=form == "json")
    finder = Finder(file, form, read_text)
    try:
        for content in parsed(text if is_live else masked.text, file, form):
            finder.walk(masked.restored(content))
            if form == "hcl" and is_read_by_consul(content, text, file):
                finder.content.refused = _refused(masked)
    except FileError as error:
        if masked.may_cause_error(error.line):
            return Content(template=Place(error.line, RENDER))
        raise FileError(file, error.line, masked.original(error.reason)) from None
    except RecursionError:
        raise FileError(file, 1, "the values are nested too deeply") from None
    except (ValueError, OverflowError):
        raise FileError(file, 1, "a number or an escape is out of range") from None
    if not finder.content.documents and masked.templates and not masked.text.strip("-0123456789_: \n"):
        finder.content.template = Place(min(masked.lines, default=1), RENDER)
    elif masked.has_control and not finder.content.documents and not finder.content.unread:
        # A branch of a template that sets what another one sets is not read.
        finder.content.unread += [Place(line, NOT_READ) for line in lines_of_tracing_keys(text)]
    return finder.content


def may_have_entries(text: str) -> bool:
    """Return whether a text can have an entry, a registration or a template. Others need not be read."""
    return bool(MAY_HAVE_ENTRIES.search(text))


def is_about_consul(text: str) -> bool:
    """Return whether a text has a word of Consul or of its entries. Others may have any syntax."""
    return bool(ABOUT_CONSUL.search(text))


def read_text(text: str, name: str, finder: Finder) -> Content:
    """Return what a text inside of a file contains. Raises FileError, with a line of the file.

    `name`: the name of the text, such as the key of a ConfigMap. `finder`: for the text, with its lines.
    """
    form = finder.form = form_of(text, name)
    masked = Masked(text, is_yaml=form == "yaml", is_json=form == "json")
    try:
        for content in parsed(masked.text, finder.file, form, finder.first_line):
            finder.walk(masked.restored(content))
            if form == "hcl" and is_read_by_consul(content, text, "") and (refused := _refused(masked)):
                finder.content.refused = Place(finder.line_of(refused.line - 1 + finder.first_line), refused.reason)
    except FileError as error:
        raise FileError(finder.file, error.line, masked.original(error.reason)) from None
    return finder.content


def parsed(text: str, file: str, form: Form, first_line: int = 1) -> Iterable[object]:
    """Return the values in a text. Raises FileError."""
    match form:
        case "json":
            return _json_values(text, file, first_line)
        case "yaml":
            return parse_yaml(text, file, first_line)
        case _:
            return [parse(text, file, first_line, is_hcl1=is_read_by_consul({}, text, file))]


FORMS: Mapping[str, Form] = {
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    **dict.fromkeys((".hcl", ".nomad", ".tf", ".tofu"), "hcl"),
}
"""The formats of files with entries, by suffix in lower case."""


def form_of(text: str, file: str) -> Form:
    """Return the format of a text: from the name of its file, or from its start."""
    starts_with_bracket = text.lstrip("\ufeff \t\r\n")[:1] in {"{", "["}
    match FORMS.get(PurePath(file).suffix.lower()):
        case "hcl":
            return "json" if starts_with_bracket else "hcl"
        case str() as form:
            return form
    if starts_with_bracket and not text.lstrip("\ufeff \t\r\n").startswith("{{"):
        return "json"
    lines = (line.strip() for line in text.removeprefix("\ufeff").split("\n"))
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return "yaml" if KEY_OF_YAML.match(first) or first.startswith("{{") else "hcl"


def is_read_by_consul(content: object, text: str, file: str) -> bool:
    """Return whether Consul reads an HCL text itself, as HCL 1."""
    is_consuls = isinstance(content, dict) and any(key.lower() in CONSUL_ROOTS for key in content)
    return (is_consuls or bool(KIND_AT_ROOT.search(text))) and not file.lower().endswith(OTHER_HCL)


def _refused(masked: Masked) -> Place | None:
    refused = first_refused(masked.text)
    return refused and Place(refused[0], masked.original(refused[1]))


def _json_values(text: str, file: str, first_line: int) -> Iterator[object]:
    """Yield the values of a JSON text: one, or several from repeated `consul config read`. Raises FileError."""
    text = text.removeprefix("\ufeff")
    position = _skip_blanks(text, 0)
    line = first_line + text.count("\n", 0, position)
    decoder = json.JSONDecoder()
    while position < len(text):
        try:
            end = decoder.raw_decode(text, position)[1]
        except ValueError:
            end = len(text)
        yield parse_json(text[position:end], file, line)
        following = _skip_blanks(text, end)
        line += text.count("\n", position, following)
        position = following


def _skip_blanks(text: str, position: int) -> int:
    blanks = BLANKS.match(text, position)
    return blanks.end() if blanks else position
