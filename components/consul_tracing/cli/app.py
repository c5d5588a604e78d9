"""The command line `consul-tracing`. Each command imports what it needs when it runs."""

import sys
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from consul_tracing.codes import page_of
from consul_tracing.errors import CommandError, InputError, printable

from .command import COULD_NOT_RUN
from .doctor.command import doctor_command
from .explain import explain_command
from .importing.command import import_command
from .lint.command import lint_command
from .render.command import render_command
from .stale.command import stale_command
from .verify.command import verify_command

app = typer.Typer(name="consul-tracing", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)

app.command("lint", epilog="Example: consul-tracing lint deploy/ --format sarif > lint.sarif")(lint_command)
app.command("explain", epilog="Example: consul-tracing explain CT310")(explain_command)
app.command(
    "verify",
    epilog="Example: consul-tracing verify http://localhost:21000/ --store zipkin=http://zipkin:9411 --expect a,b",
)(verify_command)
app.command("stale", epilog="Example: consul-tracing stale --admin 127.0.0.1:19000 --admin 127.0.0.1:19001")(
    stale_command
)
app.command(
    "doctor",
    epilog="Example: consul-tracing doctor http://localhost:21000/ --store zipkin=http://zipkin:9411 --agent "
    "--format markdown > ticket.md",
)(doctor_command)
app.command("render", epilog="Example: consul-tracing render --stack Pulumi.prod.yaml --as hcl --out entries")(
    render_command
)
app.command("import", epilog="Example: consul-tracing import deploy/ > Pulumi.prod.yaml")(import_command)


def main() -> None:
    """Run the command line. The exit code is 2 if a command could not run, also for an error of this package."""
    try:
        app(prog_name="consul-tracing")
    except (CommandError, InputError) as error:
        fail(error)
    except Exception as error:  # noqa: BLE001 - the exit code of a traceback is that of findings
        fail(CommandError(f"{type(error).__name__}: {error}"))


def fail(error: Exception) -> NoReturn:
    """Print an error without control characters, and exit."""
    lines = str(error).split("\n")
    lines += [f"  {page_of(error.code)}"] if isinstance(error, CommandError) else []
    typer.echo("\n".join(map(printable, lines)), err=True)
    sys.exit(COULD_NOT_RUN)


def show_version(is_given: bool) -> None:  # noqa: FBT001 - a callback of typer
    """Print the version and exit."""
    if is_given:
        typer.echo(f"consul-tracing {version('consul-tracing')}")
        raise typer.Exit


SHOW_VERSION = typer.Option("--version", callback=show_version, is_eager=True, help="Show the version.")


@app.callback()
def consul_tracing(_: Annotated[bool, SHOW_VERSION] = False) -> None:  # noqa: FBT002 - a flag
    """Distributed tracing for a Consul service mesh."""
