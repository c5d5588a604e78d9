"""The command line `consul-tracing`. It requires the extra `consul-tracing[cli]`."""

import sys

from consul_tracing.codes import install_command


def main() -> None:
    """Run the command line. The exit code is 2 without its dependencies."""
    try:
        from .app import main as run  # noqa: PLC0415 - its dependencies may be missing
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("consul_tracing"):
            raise
        reason = f"the command line requires {error.name}. Run {install_command('cli')}"
        print(f"consul-tracing: CT103: {reason}", file=sys.stderr)  # noqa: T201 - typer may be missing
        sys.exit(2)
    run()
