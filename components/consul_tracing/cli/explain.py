"""The command `consul-tracing explain`."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated

import typer

from consul_tracing.codes import CODES, page_of
from consul_tracing.errors import CommandError, with_suggestion
from consul_tracing.lint.findings import severity

from .command import OutputFormat

if TYPE_CHECKING:
    from consul_tracing.names import JsonObject


def explain_command(
    code: Annotated[str, typer.Argument(help="Code of a message, such as CT310.")],
    output: Annotated[OutputFormat, typer.Option("--format", help="Output format.")] = OutputFormat.TEXT,
) -> None:
    """Print the cause and the fix of a message, an example, and the address of its documentation."""
    if (code := code.upper()) not in CODES:
        raise CommandError(with_suggestion(f"{code} is not a code of this version", code, list(CODES)))
    typer.echo(json.dumps(explanation(code), indent=2) if output is OutputFormat.JSON else as_text(explanation(code)))


def explanation(code: str) -> JsonObject:
    """Return what a message means, for `--format json`."""
    level = {"severity": severity(code)} if code.startswith("CT3") else {}
    return {
        "version": 1,
        "code": code,
        **CODES[code]._asdict(),
        **level,
        "example": example(code),
        "page": page_of(code),
    }


def as_text(explained: JsonObject) -> str:
    """Return an explanation as people read it."""
    level = f" ({explained['severity']} of lint)" if "severity" in explained else ""
    parts = [
        f"{explained['code']}: {explained['title']}{level}",
        f"Cause: {explained['cause']}",
        f"Fix: {explained['fix']}",
        f"Example:\n{explained['example']}" if explained["example"] else "",
        explained["page"],
    ]
    return "\n\n".join(filter(None, parts))


def example(code: str) -> str:
    """Return the lines of the documented example that the fix removes (-) and adds (+). Empty if there is none."""
    text = files("consul_tracing.lint").joinpath("examples.diff").read_text()
    return text.partition(f"# {code}\n")[2].partition("\n# ")[0].strip("\n")
