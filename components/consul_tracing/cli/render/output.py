"""Output of `consul-tracing render`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import typer
import yaml

from consul_tracing.cli.command import RenderFormat, read_text
from consul_tracing.entries.bodies import gateway_arguments
from consul_tracing.envoy_messages.credential_filter import secret_file
from consul_tracing.envoy_messages.json_values import at
from consul_tracing.errors import CommandError, error_reason, mismatch
from consul_tracing.inputs.args import MeshTracingArgs
from consul_tracing.inputs.mesh_settings import MeshSettings
from consul_tracing.inputs.proxies import proxies_of
from consul_tracing.inputs.types import service_name
from consul_tracing.names import STANDARD_INPUT
from consul_tracing.stack_config import MESH_KEY, with_numbers

from . import rendering
from .terraform import as_terraform

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CREDENTIAL = re.compile(r"[ !#-\[\]-~]{1,7000}")
"""A value that needs no escapes in JSON, and that proxies read completely."""

WRITTEN = ".consul-tracing-render"
"""The list of the files that `render` has written to a directory, in this directory."""


def print_settings(
    settings: MeshSettings, output: RenderFormat, entry: str | None, service: str | None, out: Path | None
) -> None:
    """Print or write the settings of a mesh in a format. Raises CommandError."""
    if service is not None:
        check_service(settings, service)
    match output:
        case RenderFormat.YAML:
            typer.echo(rendering.as_yaml(settings), nl=False)
        case RenderFormat.TERRAFORM:
            typer.echo(as_terraform(settings), nl=False)
        case RenderFormat.REGISTRATION:
            typer.echo(rendering.as_registration(settings, service))
        case RenderFormat.POD_ANNOTATIONS:
            typer.echo(rendering.as_pod_annotations(settings, service), nl=False)
        case RenderFormat.GATEWAY:
            typer.echo("\n".join(gateway_arguments(settings)))
        case _:
            write_entries(settings, output, entry, out)


def check_service(settings: MeshSettings, service: str) -> None:
    """Check that `--service` is one service: a declared one, or one of another stack. Raises CommandError."""
    try:
        service_name(service)
    except ValueError:
        raise CommandError(f"--service {mismatch('the name of a service', service)}") from None
    if service in proxies_of(settings):
        return
    if keys := [key for key, name in settings.names_by_key.items() if name == service]:
        raise CommandError(f"--service must be one of {', '.join(keys)}, the keys of the services named {service}")
    if name := settings.names_by_key.get(service):
        raise CommandError(f"services.{service} is named {name}: use --service {name}")
    typer.echo(f"Note: services has no {service}: the keys are those for a service of another stack", err=True)


def print_secret(settings: MeshSettings, file: str | None) -> None:
    """Print the SDS file of `collector.auth` with the credential of a file. Raises CommandError."""
    if settings.collector.auth is None:
        raise CommandError("--as sds requires collector.auth")
    if file is None:
        raise CommandError(f"--as sds requires --credential: a file with the value of {settings.collector.auth.header}")
    credential = read_text(file).strip()
    if not CREDENTIAL.fullmatch(credential):
        name = "the standard input" if file == STANDARD_INPUT else file
        raise CommandError(
            f"{name} must have one line of at most 7000 ASCII characters, without quotes and backslashes"
        )
    typer.echo(json.dumps(secret_file(credential), indent=2))


def write_entries(settings: MeshSettings, output: RenderFormat, chosen: str | None, out: Path | None) -> None:
    """Print one entry, or write one file per entry. Consul reads one entry per file."""
    found = rendering.entries_of_consul(settings)
    render_entry = rendering.as_hcl if output is RenderFormat.HCL else rendering.as_json
    comments = {"proxy-defaults": rendering.accepted(settings)} if output is RenderFormat.HCL else {}
    rendered = [(one.title, comments.get(one.kind, "") + render_entry(one)) for one in found]
    titles = ", ".join(dict.fromkeys(title for title, _ in rendered))
    if chosen is not None and not (rendered := [one for one in rendered if one[0] == chosen]):
        raise CommandError(f"--entry must be one of {titles}; got {chosen}")
    if out is not None:
        numbered = enumerate(rendered, 1)
        texts = {f"{number:03}-{title.replace('/', '-')}.{output}": text for number, (title, text) in numbered}
        write_files(out, texts)
        return
    if len(rendered) > 1:
        raise CommandError(
            f"--as {output} prints one entry, and these settings have {len(rendered)}. Add --out DIRECTORY, which gets "
            f"a file for each, or --entry with one of {titles}"
        )
    typer.echo(rendered[0][1])


def write_files(directory: Path, texts: Mapping[str, str]) -> None:
    """Write files and their list, after removal of the files of the former list. Raises CommandError."""
    listed = directory / WRITTEN
    try:
        directory.mkdir(parents=True, exist_ok=True)
        former = set(listed.read_text().splitlines()) if listed.exists() else set()
        for file in directory.iterdir():
            if file.name in former - texts.keys():
                file.unlink()
        for name, text in {WRITTEN: "\n".join(texts), **texts}.items():
            (directory / name).write_text(f"{text}\n")
    except (OSError, ValueError) as error:
        raise CommandError(f"{directory} cannot be written: {error_reason(error)}") from None


def read_settings(
    stack: Path | None, args: Path | None, defaults: dict[str, str], overridden: dict[str, str]
) -> MeshSettings:
    """Return the validated settings of a stack file or of a file with the inputs. Raises CommandError.

    `defaults`: inputs that the file replaces. `overridden`: inputs that replace those of the file.
    """
    if (stack is None) == (args is None):
        raise CommandError("exactly one of --stack and --args is required")
    file = stack or args
    assert file is not None  # noqa: S101 - for mypy
    try:
        content: Any = yaml.safe_load(read_text(str(file)))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CommandError(f"{file} cannot be read: {error_reason(error)}") from None
    of_stack = at(content, "config", MESH_KEY)
    if stack is None and of_stack is not None:
        raise CommandError(f"{file} is a stack file: use --stack")
    if stack is not None and of_stack is None:
        raise CommandError(f"{file} has no {MESH_KEY}. For a file with the inputs only, use --args")
    if stack is not None:
        content = with_numbers(of_stack, MeshTracingArgs)
    inputs: Any = {**defaults, **content, **overridden} if isinstance(content, dict) else content
    return MeshSettings.of(str(file), inputs)
