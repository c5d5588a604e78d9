"""Build or publish the site: `make docs`, `make docs-publish`."""

import argparse
import subprocess
import sys

from . import ROOT
from .build import build
from .publish import publish


def main() -> int:
    """Run a command. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m website", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build the site into site/; a warning is an error")
    publishing = commands.add_parser("publish", help="add the site of a release to the branch that is served")
    publishing.add_argument("tag", help="the tag of the release, such as v0.1.0")
    arguments = parser.parse_args()
    problems = build(ROOT)
    if not problems and arguments.command == "publish":
        try:
            publish(ROOT, arguments.tag)
        except subprocess.CalledProcessError as error:
            # The program has written its reason.
            problems = [f"{error.cmd[0]} failed with exit code {error.returncode}"]
    for problem in problems:
        print(problem, file=sys.stderr)  # noqa: T201 - a command
    return 1 if problems else 0


sys.exit(main())
