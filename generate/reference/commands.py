"""The reference of the command line: the options of the commands, and the prose of `command-line.md`."""

from __future__ import annotations

import inspect
import re
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from consul_tracing.cli.app import app
from consul_tracing.cli.selection import SUFFIXES
from consul_tracing.sources import consul
from consul_tracing.sources.http import MAX_BYTES, SECONDS
from consul_tracing.sources.proxies import MAX_PODS

from .inputs import DEFAULT

if TYPE_CHECKING:
    from typer.models import CommandInfo

PROSE = Path(__file__).with_name("command-line.md")
SECTION = re.compile(r"^## ([^\n]+)\n\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"CONSUL_[A-Z_]+")
TABLE = "| option | meaning | default |\n|---|---|---|"
KINDS = {str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "PATH"}


def command_line() -> str:
    """Return the page of the command line."""
    prose = _with_facts(PROSE.read_text())
    sections = dict(SECTION.findall(prose))
    commands = {str(one.name): one for one in app.registered_commands}
    assert list(sections) == list(commands)  # noqa: S101 - each command has its section, in the order of --help
    parts = [f"## {name}\n\n{_command(commands[name])}\n{text}" for name, text in sections.items()]
    return prose[: prose.index("## ")] + "".join(parts)


def _with_facts(prose: str) -> str:
    variables = sorted(set(VARIABLE.findall(inspect.getsource(consul))))
    return prose.format(
        version=version("consul-tracing"),
        consul=", ".join(f"`{one}`" for one in variables),
        timeout=f"{SECONDS:g}",
        size=MAX_BYTES // 1024**2,
        suffixes=", ".join(f"`{one}`" for one in sorted(SUFFIXES)),
        pods=MAX_PODS,
    )


def _command(command: CommandInfo) -> str:
    """Return the description of a command, its example and its options."""
    assert command.callback and command.epilog  # noqa: S101, PT018 - of each command
    hints = get_type_hints(command.callback, include_extras=True)
    parameters = inspect.signature(command.callback).parameters
    rows = [_row(name, one.default, *get_args(hints[name])) for name, one in parameters.items()]
    description = " ".join((inspect.getdoc(command.callback) or "").replace("\n\n", "\0").split()).replace("\0", "\n\n")
    example = command.epilog.removeprefix("Example: ")
    return "\n".join([f"{description}\n\n```sh\n{example}\n```\n", TABLE, *rows, ""])


def _row(name: str, default: object, kind: Any, info: ArgumentInfo | OptionInfo) -> str:  # noqa: ANN401 - a type
    members = [one for one in get_args(kind) if one is not NoneType]
    value = members[0] if members else kind
    value = (get_args(value) or [value])[0]
    text = info.help or ""
    documented = DEFAULT.search(text)
    choices = [f"`{one.value}`" for one in value] if issubclass(value, Enum) else []
    meaning = DEFAULT.sub("", text) + (f" One of {', '.join(choices)}." if choices else "")
    if default is inspect.Parameter.empty:
        shown = "required"
    elif documented:
        shown = documented[1]
    else:
        shown = _default(default)
    return f"| `{_usage(name, value, info)}` | {meaning} | {shown} |"


def _usage(name: str, value: type, info: ArgumentInfo | OptionInfo) -> str:
    """Return an option as users write it: `--admin HOST:PORT`."""
    metavar = info.metavar or KINDS.get(value, "VALUE" if issubclass(value, Enum) else "")
    if isinstance(info, ArgumentInfo):
        return (info.metavar or name).upper()
    # In Annotated, typer reads the first argument as a declaration.
    declared = [one for one in (info.default, *(info.param_decls or ())) if isinstance(one, str)]
    return f"{declared[0] if declared else '--' + name.replace('_', '-')} {metavar}".rstrip()


def _default(value: object) -> str:
    match value:
        case None | False | "" | 0.0:
            return ""
        case Enum():
            return f"`{value.value}`"
        case float():
            return f"{value:g}"
        case _:
            return str(value)
