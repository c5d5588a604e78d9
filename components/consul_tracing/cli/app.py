"""Commands of `consul-tracing`."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import yaml

from consul_tracing.entries.bodies import gateway_arguments
from consul_tracing.errors import CommandError, InvalidInputError, error_reason, printable
from consul_tracing.files.documents import read_documents
from consul_tracing.inputs.mesh_args import MeshTracingArgs
from consul_tracing.inputs.mesh_settings import MeshSettings
from consul_tracing.stack_config import MESH_KEY, with_numbers

from . import rendering
from .command import COULD_NOT_RUN, FINDINGS, read_text
from .explain import explain_command
from .lint.command import lint_command
from .meaning import at
from .recovery import recover
from .stale.command import stale_command
from .verify.command import verify_command

app = typer.Typer(name="consul-tracing", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


app.command("lint", epilog="Example: consul-tracing lint deploy/ --format sarif > lint.sarif")(lint_command)
app.command("explain", epilog="Example: consul-tracing explain CT310")(explain_command)
app.command(
    "verify",
    epilog="Example: consul-tracing verify http://localhost:21000/ --zipkin http://zipkin:9411 --expect client,web",
)(verify_command)
app.command("stale", epilog="Example: consul-tracing stale --admin 127.0.0.1:19000 --admin 127.0.0.1:19001")(
    stale_command
)


class Format(StrEnum):
    """Output format of `render`."""

    HCL = "hcl"
    JSON = "json"
    YAML = "yaml"
    REGISTRATION = "registration"
    GATEWAY = "gateway"


def main() -> None:
    """Run the command line. The exit code is 2 if a command could not run, also for an error of this package."""
    try:
        app(prog_name="consul-tracing")
    except (CommandError, InvalidInputError, rendering.RenderError) as error:
        fail(error)
    except Exception as error:  # noqa: BLE001 - the exit code of a traceback is that of findings
        fail(CommandError(f"{type(error).__name__}: {error}"))


def fail(error: Exception) -> NoReturn:
    """Print an error without control characters, and exit."""
    typer.echo("\n".join(map(printable, str(error).split("\n"))), err=True)
    sys.exit(COULD_NOT_RUN)


@app.callback()
def consul_tracing() -> None:
    """Distributed tracing for a Consul service mesh."""


@app.command(epilog="Example: consul-tracing render --stack Pulumi.prod.yaml --as hcl --out entries")
def render(  # noqa: PLR0913, PLR0917 - options of a command
    output: Annotated[Format | None, typer.Option("--as", help="Output format.")] = None,
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
    if entries is not None:
        if any(option is not None for option in (output, stack, args, entry, service, out)):
            raise CommandError("--from conflicts with the other options")
        print_stack_file(entries)
        return
    if output is None:
        raise CommandError("exactly one of --as and --from is required")
    settings = read_settings(stack, args, {"target": "kubernetes"} if output is Format.YAML else {})
    match output:
        case Format.YAML:
            typer.echo(rendering.as_yaml(settings), nl=False)
        case Format.REGISTRATION:
            typer.echo(rendering.as_registration(settings, service))
        case Format.GATEWAY:
            typer.echo("\n".join(gateway_arguments(settings)))
        case _:
            write_entries(settings, output, entry, out)


def print_stack_file(file: str) -> None:
    """Print the settings of the entries in a file as a stack file, and each field that they do not express."""
    recovered = recover(read_documents(read_text(file), file))
    typer.echo(rendering.yaml_text({"config": {MESH_KEY: recovered.inputs}}), nl=False)
    for loss in recovered.losses:
        typer.echo(loss, err=True)
    if recovered.losses:
        raise typer.Exit(FINDINGS)


def write_entries(settings: MeshSettings, output: Format, chosen: str | None, out: Path | None) -> None:
    """Print one entry, or write one file per entry. Consul reads one entry per file."""
    found = rendering.entries_of_consul(settings)
    render_entry = rendering.as_hcl if output is Format.HCL else rendering.as_json
    comments = {"proxy-defaults": rendering.accepted(settings)} if output is Format.HCL else {}
    rendered = [(one.title, comments.get(one.kind, "") + render_entry(one)) for one in found]
    titles = ", ".join(dict.fromkeys(title for title, _ in rendered))
    if chosen is not None and not (rendered := [one for one in rendered if one[0] == chosen]):
        raise CommandError(f"--entry must be one of {titles}; got {chosen}")
    if out is None:
        if len(rendered) > 1:
            raise CommandError(f"{len(rendered)} entries require --out DIR, or --entry to select one: {titles}")
        typer.echo(rendered[0][1])
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for number, (title, text) in enumerate(rendered, 1):
            (out / f"{number:03}-{title.replace('/', '-')}.{output}").write_text(f"{text}\n")
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error_reason(error)}") from None


def read_settings(stack: Path | None, args: Path | None, overridden: dict[str, str]) -> MeshSettings:
    """Return the validated settings of a stack file or of a file with the inputs. Raises CommandError.

    `overridden`: inputs that replace those of the file.
    """
    if (stack is None) == (args is None):
        raise CommandError("exactly one of --stack and --args is required")
    file = stack or args
    assert file is not None  # noqa: S101 - for mypy
    try:
        content: Any = yaml.safe_load(read_text(str(file)))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CommandError(f"{file} cannot be read: {error_reason(error)}") from None
    if stack is not None:
        content = at(content, "config", MESH_KEY)
        if content is None:
            raise CommandError(f"{file} has no {MESH_KEY}")
        content = with_numbers(content, MeshTracingArgs)
    inputs: Any = {**content, **overridden} if isinstance(content, dict) else content
    return MeshSettings.of(str(file), inputs)
