"""The command `consul-tracing render`."""

from pathlib import Path
from typing import Annotated

import typer

from consul_tracing.cli.command import RenderFormat
from consul_tracing.errors import CommandError

APPLIES_TO = {
    "entry": (RenderFormat.HCL, RenderFormat.JSON),
    "out": (RenderFormat.HCL, RenderFormat.JSON),
    "credential": (RenderFormat.SDS,),
    "service": (RenderFormat.REGISTRATION, RenderFormat.POD_ANNOTATIONS),
}
"""Options that apply to some formats."""


def render_command(  # noqa: PLR0913, PLR0917 - options of a command
    output: Annotated[RenderFormat, typer.Option("--as", help="Output format.")],
    stack: Annotated[Path | None, typer.Option(help="Stack file with consul-tracing:mesh.")] = None,
    args: Annotated[Path | None, typer.Option(help="YAML or JSON file with the inputs of MeshTracing.")] = None,
    entry: Annotated[
        str | None, typer.Option(help="Entry to print (hcl, json), such as proxy-defaults/global.")
    ] = None,
    service: Annotated[str | None, typer.Option(help="Service of the proxy (registration, pod-annotations).")] = None,
    credential: Annotated[
        str | None, typer.Option(metavar="<path>", help="File with the credential, or '-' (sds).")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Directory with one file per entry (hcl, json). Required unless there is one entry or --entry."
        ),
    ] = None,
) -> None:
    """Render the settings of a mesh as config entries, Terraform, manifests, or what belongs to its proxies.

    The files of a former run with --out are replaced.
    """
    for option, value in {"credential": credential, "entry": entry, "out": out, "service": service}.items():
        if value is not None and output not in APPLIES_TO[option]:
            raise CommandError(f"--{option} requires --as {' or '.join(APPLIES_TO[option])}, got --as {output}")
    if entry is not None and out is not None:
        raise CommandError("--entry conflicts with --out, which writes all entries")

    from .output import print_secret, print_settings, read_settings  # noqa: PLC0415 - not for --help

    target = {"target": "kubernetes"}
    defaults = target if output is RenderFormat.POD_ANNOTATIONS else {}
    settings = read_settings(stack, args, defaults, target if output is RenderFormat.YAML else {})
    if output is RenderFormat.SDS:
        print_secret(settings, credential)
        return
    print_settings(settings, output, entry=entry, service=service, out=out)
