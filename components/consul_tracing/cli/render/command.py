"""The command `consul-tracing render`."""

from pathlib import Path
from typing import Annotated

import typer

from consul_tracing.cli.command import RenderFormat
from consul_tracing.errors import CommandError


def render_command(  # noqa: PLR0913, PLR0917 - options of a command
    output: Annotated[RenderFormat | None, typer.Option("--as", help="Output format.")] = None,
    entries: Annotated[
        str | None,
        typer.Option("--from", help="File with config entries (- for standard input) to print as a stack file."),
    ] = None,
    stack: Annotated[Path | None, typer.Option(help="Stack file with consul-tracing:mesh.")] = None,
    args: Annotated[Path | None, typer.Option(help="YAML or JSON file with the inputs of MeshTracing.")] = None,
    entry: Annotated[str | None, typer.Option(help="Entry to render, such as proxy-defaults/global.")] = None,
    service: Annotated[str | None, typer.Option(help="Service name in the spans of the proxy (registration).")] = None,
    out: Annotated[Path | None, typer.Option(help="Directory with one file per entry (hcl, json).")] = None,
) -> None:
    """Render the settings of a mesh as config entries, manifests, a registration or arguments of a gateway.

    With --from: print a stack file with the settings of existing config entries. The exit code is 1 if the settings do
    not express a part of the entries.
    """
    from .output import print_settings, print_stack_file, read_settings  # noqa: PLC0415 - not for --help

    if entries is not None:
        if any(option is not None for option in (output, stack, args, entry, service, out)):
            raise CommandError("--from conflicts with the other options")
        print_stack_file(entries)
        return
    if output is None:
        raise CommandError("exactly one of --as and --from is required")
    settings = read_settings(stack, args, {"target": "kubernetes"} if output is RenderFormat.YAML else {})
    print_settings(settings, output, entry=entry, service=service, out=out)
