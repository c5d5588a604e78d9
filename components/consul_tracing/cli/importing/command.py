"""The command `consul-tracing import`."""

from typing import Annotated

import typer

from consul_tracing.cli.command import FINDINGS
from consul_tracing.codes import pages_of
from consul_tracing.errors import CommandError, headline, printable


def import_command(
    files: Annotated[list[str], typer.Argument(help="Files and directories. - reads the input.")],
    exclude: Annotated[list[str] | None, typer.Option(help="Glob of files and directories. Repeatable.")] = None,
) -> None:
    """Print a stack file with the settings of existing config entries, which are read as lint reads them.

    The exit code is 1 if the settings do not express a part of the entries, or a file is not read, and 2 unless there
    is exactly one proxy-defaults entry.
    """
    from consul_tracing.cli.render.rendering import yaml_text  # noqa: PLC0415 - not for --help
    from consul_tracing.cli.selection import read_files, selected  # noqa: PLC0415 - not for --help
    from consul_tracing.lint.checks import read  # noqa: PLC0415 - not for --help
    from consul_tracing.stack_config import MESH_KEY  # noqa: PLC0415 - not for --help

    from .losses import assumed_version  # noqa: PLC0415 - not for --help
    from .recovery import recover  # noqa: PLC0415 - not for --help

    texts, unread = read_files(selected(files, exclude or []))
    contents = [read(text, file) for file, text in texts.items()]
    unread += [finding for _, findings in contents for finding in findings]
    for one in unread:
        typer.echo(printable(headline(one.code, f"{one.place}: {one.issue.reason}")), err=True)
    try:
        recovered = recover([document for documents, _ in contents for document in documents])
    except CommandError:
        raise
    except Exception as error:
        raise CommandError(f"{', '.join(files)} cannot be imported: {type(error).__name__}: {error}") from error
    typer.echo(yaml_text({"config": {MESH_KEY: recovered.inputs}}), nl=False)
    for text in [*recovered.losses, *assumed_version(recovered.inputs)]:
        typer.echo(printable(text), err=True)
    if unread or recovered.losses:
        codes = [one.code for one in unread] + ["CT603"] * bool(recovered.losses)
        typer.echo("\n".join(pages_of(codes)), err=True)
        raise typer.Exit(FINDINGS)
