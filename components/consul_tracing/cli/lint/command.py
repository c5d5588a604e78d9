"""The command `consul-tracing lint`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from consul_tracing.backends.kubernetes.access import ACCESS, Cluster, client_for
from consul_tracing.backends.kubernetes.objects import KINDS
from consul_tracing.cli.command import CommandError, FileError
from consul_tracing.cli.consul_client import ConsulClient
from consul_tracing.cli.documents import Document, read_documents
from consul_tracing.errors import ConflictError, UnreadableError
from consul_tracing.inputs.types import ENVOY_VERSION

from . import report
from .findings import Finding, Issue, Severity
from .fixes import fixed
from .live import catalog_services, consul_documents, documents_of, service_findings
from .rules import findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .tracer_rules import Version

SUFFIXES = frozenset({".hcl", ".json", ".nomad", ".tf", ".yaml", ".yml"})
"""Files that are read in a directory."""

STANDARD_INPUT = "-"

FORMATS: dict[str, Callable[[Sequence[Finding]], str]] = {"json": report.as_json, "sarif": report.as_sarif}


def envoy_version(text: str) -> Version:
    """Return a version such as 1.36. Raises CommandError."""
    if not (parts := ENVOY_VERSION.fullmatch(text)):
        raise CommandError(f'--envoy-version must be a version such as "1.36", got "{text}"')
    return int(parts[1]), int(parts[2])


def selected(paths: Sequence[str]) -> Iterator[str]:
    """Yield the files of the arguments. Of a directory: the files in which entries are written. Raises CommandError."""
    for path in paths:
        directory = Path(path)
        if path != STANDARD_INPUT and directory.is_dir():
            yield from sorted(str(one) for one in directory.rglob("*") if one.suffix in SUFFIXES and one.is_file())
        else:
            yield path


def content(file: str) -> str:
    """Return the text of a file or of the standard input. Raises CommandError."""
    try:
        return sys.stdin.read() if file == STANDARD_INPUT else Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def lint_texts(texts: dict[str, str], envoy: Version | None) -> list[Finding]:
    """Return the findings of files that belong to one mesh."""
    order = {file: number for number, file in enumerate(texts)}
    documents: list[Document] = []
    unreadable: list[Finding] = []
    for file, text in texts.items():
        try:
            documents += read_documents(text, file)
        except FileError as error:
            # A chart's template is not YAML before it is rendered.
            code = "CT330" if "{{" in text else "CT336"
            reason = "is not checked, because the file is a template" if code == "CT330" else error.reason
            unreadable.append(Finding(Issue(code, (), reason), file, error.line, file))
    return sorted([*unreadable, *findings(documents, envoy)], key=lambda one: (order[one.file], one.line or 0))


def fix_files(texts: dict[str, str], envoy: Version | None) -> dict[str, str]:
    """Write the files whose findings have unambiguous fixes, and return all texts. Raises CommandError."""
    changed = dict(texts)
    for file in texts:
        text = fixed(changed[file], partial(_lint_with, changed, file, envoy))
        if text != changed[file]:
            changed[file] = text
            try:
                Path(file).write_text(text, encoding="utf-8")
            except OSError as error:
                raise CommandError(f"{file} cannot be written: {error.strerror}") from None
    return changed


def _lint_with(texts: dict[str, str], file: str, envoy: Version | None, text: str) -> list[Finding]:
    return [one for one in lint_texts({**texts, file: text}, envoy) if one.file == file]


def lint_consul(envoy: Version | None) -> list[Finding]:
    """Return the findings of a live Consul. Raises CommandError."""
    client = ConsulClient()
    documents = consul_documents(client)
    return [*findings(documents, envoy), *service_findings(documents, catalog_services(client), client.address)]


def lint_kubernetes(namespace: str | None, envoy: Version | None) -> list[Finding]:
    """Return the findings of the custom resources in a namespace, or in all. Raises CommandError."""
    try:
        cluster = Cluster(client_for(dict.fromkeys(ACCESS)))
        objects = [one for kind in KINDS for one in cluster.objects(kind, namespace) or []]
    except (UnreadableError, ConflictError) as error:
        raise CommandError(f"Kubernetes cannot be read: {error}") from None
    return findings(documents_of(objects, "kubernetes"), envoy)


def show(found: Sequence[Finding], output: str) -> None:
    """Print the findings."""
    if output in FORMATS:
        print(FORMATS[output](found))  # noqa: T201 - the output of the command
        return
    console = Console(soft_wrap=True, highlight=False)
    for line in report.as_text(found):
        console.print(line)


def has_findings(found: Sequence[Finding]) -> bool:
    """Return whether there is an error or a warning."""
    return any(finding.severity is not Severity.INFO for finding in found)
