"""An executable that starts the component plugin, for engines whose Python language host cannot run plugins."""

import shlex
import sys
from pathlib import Path

from testbed import CHECKOUT


def write_plugin_executable(directory: Path) -> None:
    """Write `pulumi-resource-consul-tracing`, which Pulumi finds on PATH."""
    command = shlex.join([sys.executable, str(CHECKOUT / "plugin")])
    executable = directory / "pulumi-resource-consul-tracing"
    executable.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    executable.chmod(0o755)
