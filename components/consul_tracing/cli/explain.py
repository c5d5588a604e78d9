"""The command `consul-tracing explain`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from consul_tracing.codes import CODES, page_of
from consul_tracing.errors import CommandError, with_suggestion
from consul_tracing.lint.examples import condition, examples
from consul_tracing.severities import severity

from .command import OutputFormat

if TYPE_CHECKING:
    from consul_tracing.names import JsonObject


def explain_command(
    code: Annotated[str, typer.Argument(help="Code of a message, such as CT310.")],
    output: Annotated[OutputFormat, typer.Option("--format", help="Output format.")] = OutputFormat.TEXT,
) -> None:
    """Print the cause and the fix of a message, an example, and the address of its documentation."""
    code = f"CT{code}" if code.isdecimal() else code.upper()
    if code not in CODES:
        raise CommandError(with_suggestion(f"{code} is not a code of this version", code, list(CODES)))
    typer.echo(json.dumps(explanation(code), indent=2) if output is OutputFormat.JSON else as_text(explanation(code)))


def explanation(code: str) -> JsonObject:
    """Return what a message means, for `--format json`."""
    shown = examples().get(code)
    return {
        "version": 1,
        "code": code,
        **CODES[code]._asdict(),
        "severity": severity(code),
        "condition": condition(code),
        "example": {**shown._asdict(), "change": shown.change} if shown else None,
        "page": page_of(code),
    }


def as_text(explained: JsonObject) -> str:
    """Return an explanation as people read it."""
    example = explained["example"]
    parts = [
        f"{explained['code']}: {explained['title']} ({explained['severity']})",
        f"Cause: {explained['cause']}",
        f"Fix: {explained['fix']}",
        explained["condition"],
        f"Change in an example:\n{example['change']}" if example else "",
        f"Example after the change:\n{example['good']}".rstrip() if example else "",
        explained["page"],
    ]
    return "\n\n".join(filter(None, parts))
