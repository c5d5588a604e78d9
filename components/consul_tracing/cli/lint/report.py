"""Findings as text, JSON and SARIF."""

from __future__ import annotations

import json
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING

from rich.text import Text

from consul_tracing.codes import CODES
from consul_tracing.errors import printable
from consul_tracing.lint.findings import Finding, Severity, severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consul_tracing.names import JsonObject

    from .files import Checked

COLORS = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "bold blue"}

PLURALS = {"entry": "entries", "file": "files"}

SARIF_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def as_text(checked: Checked) -> Iterator[Text]:
    """Yield the lines of the findings and of their summary."""
    for finding in checked.findings:
        path = f" {'.'.join(finding.issue.path)}" if finding.issue.path else ""
        level = finding.severity
        yield Text.assemble(
            printable(f"{finding.place}: "),
            (f"{level} {finding.code}", COLORS[level]),
            printable(f":{path} {finding.issue.reason}"),
        )
        if level is not Severity.INFO:
            fix = f"  Fix: {finding.fix}{' --fix applies it.' if finding.issue.replacement else ''}"
            yield Text(printable(fix), style="dim")
    yield Text(f"{summary(checked.findings)}. Checked: {scope(checked)}")


def scope(checked: Checked) -> str:
    """Return what was checked: `4 entries in 3 files; 2 files without entries`."""
    found = sum(map(bool, checked.files.values()))
    without = len(checked.files) - found
    parts = [f"{_counted(sum(checked.files.values()), 'entry')} in {_counted(found, 'file')}"] if found else []
    parts += [f"{_counted(entries, 'entry')} in {backend}" for backend, entries in checked.live.items()]
    parts += [f"{_counted(without, 'file')} without entries"] if without else []
    return "; ".join(parts) or "nothing"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {PLURALS[noun]}"


def summary(findings: Sequence[Finding]) -> str:
    """Return the number of findings by severity."""
    counts = Counter(finding.severity for finding in findings)
    nouns = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "value not checked"}
    plurals = {Severity.ERROR: "errors", Severity.WARNING: "warnings", Severity.INFO: "values not checked"}
    shown = [f"{counts[one]} {nouns[one] if counts[one] == 1 else plurals[one]}" for one in Severity if counts[one]]
    return ", ".join(shown) or "No findings"


def as_json(checked: Checked) -> str:
    """Return the findings as JSON. `version` changes when a field changes its meaning."""
    found = sum(map(bool, checked.files.values()))
    counts = {
        "entries": sum(checked.files.values()) + sum(checked.live.values()),
        "files": found,
        "files_without_entries": len(checked.files) - found,
    }
    findings = [finding.as_json() for finding in checked.findings]
    return json.dumps({"version": 1, "checked": counts, "findings": findings}, indent=2)


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
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: str) -> JsonObject:
    one = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": one.title},
        "fullDescription": {"text": one.cause},
        "help": {"text": one.fix},
        "defaultConfiguration": {"level": SARIF_LEVELS[severity(code)]},
    }


def _result(finding: Finding, codes: list[str]) -> JsonObject:
    path = ".".join(finding.issue.path)
    location: JsonObject = {"logicalLocations": [{"name": finding.entry, "kind": "resource"}]}
    if finding.line is not None:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": finding.file},
            "region": {"startLine": finding.line},
        }
    return {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": SARIF_LEVELS[finding.severity],
        "message": {"text": f"{path} {finding.issue.reason}. {finding.fix}".strip()},
        "locations": [location],
    }
