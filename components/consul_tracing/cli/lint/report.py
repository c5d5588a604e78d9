"""Findings as text, JSON, SARIF and workflow commands of GitHub."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from rich.text import Text

from consul_tracing.codes import CODES, page_of, pages_of
from consul_tracing.errors import MAX_VALUE_LENGTH, format_value, printable
from consul_tracing.lint.credentials import credential_issues
from consul_tracing.lint.findings import NOT_CHECKED
from consul_tracing.names import CLUSTERS_KEY
from consul_tracing.severities import Severity, severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from consul_tracing.lint.checks import Checked
    from consul_tracing.lint.findings import Finding
    from consul_tracing.names import JsonObject

PLURALS = {"entry": "entries", "value not checked": "values not checked"}
"""Plurals that do not end in an additional s."""

COLORS = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "bold blue"}

SARIF_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}

LINE = re.compile(r"[^\n]*\n|[^\n]+")

GITHUB_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def as_text(checked: Checked) -> Iterator[Text]:
    """Yield the lines of what is fixed, of the findings, of their documentation, and of the summary."""
    for finding in checked.fixed:
        yield Text.assemble(printable(f"{finding.place}: "), ("fixed", "bold green"), printable(_fix_of(finding)))
    for finding in checked.findings:
        path = f" {'.'.join(finding.issue.path)}" if finding.issue.path else ""
        level = finding.severity
        yield Text.assemble(
            printable(f"{finding.place}: "),
            (f"{level} {finding.code}", COLORS[level]),
            printable(f":{path} {finding.issue.reason}"),
        )
        if finding.code != NOT_CHECKED:
            fixable = " --fix applies it." if finding.issue.replacement else ""
            yield Text(printable(f"  Fix: {finding.fix}{fixable}"), style="dim")
    for line in pages_of({one.code for one in checked.findings} - {NOT_CHECKED}):
        yield Text(line, style="dim")
    yield Text(summary(checked))


def _fix_of(finding: Finding) -> str:
    old, new = finding.issue.replacement or ("", "")
    change = f": {format_value(old)} → {format_value(new)}" if len(old) <= MAX_VALUE_LENGTH else ""
    return f" {finding.code}: {'.'.join(finding.issue.path)}{change}"


def scope(checked: Checked) -> str:
    """Return what was checked: `4 entries in 3 files; 2 files without entries`."""
    found = sum(map(bool, checked.files.values()))
    without = len(checked.files) - found
    parts = [f"{_counted(sum(checked.files.values()), 'entry')} in {_counted(found, 'file')}"] if found else []
    parts += [f"{_counted(entries, 'entry')} in {backend}" for backend, entries in checked.live.items()]
    parts += [f"{_counted(without, 'file')} without entries"] if without else []
    return "; ".join(parts) or "nothing"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {PLURALS.get(noun, f'{noun}s')}"


def summary(checked: Checked) -> str:
    """Return the numbers of findings by severity, of those that are fixed and ignored, and of what was checked."""
    counts = Counter(NOT_CHECKED if one.code == NOT_CHECKED else one.severity for one in checked.findings)
    nouns = {
        Severity.ERROR: "error",
        Severity.WARNING: "warning",
        Severity.INFO: "note",
        NOT_CHECKED: "value not checked",
    }
    shown = [_counted(counts[one], noun) for one, noun in nouns.items() if counts[one]]
    others = {"fixed": len(checked.fixed), "ignored": len(checked.ignored)}
    parts = [*(shown or ["No findings"]), *(f"{number} {name}" for name, number in others.items() if number)]
    return f"{', '.join(parts)}. Checked: {scope(checked)}"


def as_json(checked: Checked) -> str:
    """Return the findings as JSON. `version` changes when a field changes its meaning."""
    found = sum(map(bool, checked.files.values()))
    content = {
        "version": 1,
        "checked": {
            "entries": sum(checked.files.values()) + sum(checked.live.values()),
            "files": found,
            "files_without_entries": len(checked.files) - found,
        },
        "findings": [_finding(one) for one in checked.findings],
        "ignored": [{**_finding(one.finding), "ignored": one.reason} for one in checked.ignored],
        "fixed": [_finding(one) for one in checked.fixed],
    }
    return _json(content)


def _finding(finding: Finding) -> JsonObject:
    """Return a finding, without a replacement that contains a credential."""
    shown = dict(finding.as_json())
    if (replaced := finding.issue.replacement) and any(credential_issues({CLUSTERS_KEY: replaced[0]})):
        shown["replacement"] = None
    return shown


def _json(content: object) -> str:
    """Return JSON that contains no command of a CI system."""
    return json.dumps(content, indent=2).replace("##", "#\\u0023")


def as_github(checked: Checked) -> Iterator[str]:
    """Yield the findings as workflow commands, which GitHub shows at the lines of a pull request, and the summary.

    Ref: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
    """
    for one in checked.findings:
        place = {"file": str(path_in_checkout(one.file)), "line": str(one.line)} if one.line is not None else {}
        properties = {**place, "title": f"{one.code}: {CODES[one.code].title}"}
        shown = ",".join(f"{name}={_github_property(value)}" for name, value in properties.items())
        yield f"::{GITHUB_COMMANDS[one.severity]} {shown}::{_github_data(f'{_message(one)} {page_of(one.code)}')}"
    yield printable(summary(checked))


def _github_data(text: str) -> str:
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _github_property(text: str) -> str:
    return _github_data(text).replace(":", "%3A").replace(",", "%2C")


def _message(finding: Finding) -> str:
    return f"{'.'.join(finding.issue.path)} {finding.issue.reason}. {finding.fix}".strip()


def as_diff(changes: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """Yield the lines of a unified diff of the texts of files."""
    for file, (old, new) in changes.items():
        name = printable(file)
        for line in difflib.unified_diff(LINE.findall(old), LINE.findall(new), f"a/{name}", f"b/{name}"):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def as_sarif(findings: Sequence[Finding]) -> str:
    """Return the findings as SARIF 2.1.0, which code hosts show in pull requests.

    Ref: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
    """
    codes = sorted({finding.code for finding in findings})
    driver = {
        "name": "consul-tracing",
        "version": version("consul-tracing"),
        "rules": [_rule(code) for code in codes],
    }
    run = {"tool": {"driver": driver}, "results": [_result(finding, codes) for finding in findings]}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return _json({"$schema": schema, "version": "2.1.0", "runs": [run]})


def _rule(code: str) -> JsonObject:
    one = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": one.title},
        "fullDescription": {"text": one.cause},
        "help": {"text": one.fix},
        "helpUri": page_of(code),
        "defaultConfiguration": {"level": SARIF_LEVELS[severity(code)]},
    }


def _result(finding: Finding, codes: list[str]) -> JsonObject:
    location: JsonObject = {"logicalLocations": [{"name": finding.entry, "kind": "resource"}]}
    if finding.line is not None:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": file_uri(finding.file)},
            "region": {"startLine": finding.line},
        }
    return {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": SARIF_LEVELS[finding.severity],
        "message": {"text": _message(finding)},
        "locations": [location],
    }


def file_uri(file: str) -> str:
    """Return the URI of a file, relative to the root of the checkout for the files in it."""
    path = path_in_checkout(file)
    return path.as_uri() if path.is_absolute() else quote(os.fsencode(path))


def path_in_checkout(file: str) -> Path:
    """Return the path from the root of GitHub's checkout, or from the current directory. Other files are absolute."""
    here = Path.cwd()
    workspace = Path(os.environ.get("GITHUB_WORKSPACE", here))
    root = workspace if here.is_relative_to(workspace) else here
    path = Path(os.path.normpath(here / file))
    return path.relative_to(root) if path.is_relative_to(root) else path
