"""`python -m toolchain`: build or download the missing programs and print the path of each."""

import argparse
import sys
from collections.abc import Sequence

from testbed.signals import InterruptError, raise_on_signals
from toolchain.cache import MissingProgramError
from toolchain.programs import DEMO, KUBERNETES, MESH


def main(arguments: Sequence[str] | None = None) -> int:
    """Get the programs. Return the exit code: 0 for success, 1 if one is missing, 130 after Ctrl-C."""
    programs = {"demo": DEMO, "mesh": MESH, "kubernetes": KUBERNETES}
    description = "Build or download the missing programs into the cache, and print the path of each."
    parser = argparse.ArgumentParser(prog="python -m toolchain", description=description)
    help_of_use = "programs of the demo, the mesh tests or the tests on Kubernetes (default: %(default)s)"
    parser.add_argument("--for", dest="use", choices=programs, default="mesh", help=help_of_use)
    missing = 0
    for program in programs[parser.parse_args(arguments).use]:
        try:
            path = program.obtain()
            note = " (stand-in of this project)" if program.stand_in and path == program.stand_in.ready() else ""
            print(f"{program.name}: {path}{note}", flush=True)
        except MissingProgramError as error:
            print(error, file=sys.stderr, flush=True)
            missing = 1
        except InterruptError as interrupt:
            print("toolchain: interrupted; missing programs are built or downloaded on the next run", file=sys.stderr)
            return interrupt.exit_code
    return missing


if __name__ == "__main__":
    raise_on_signals()
    sys.exit(main())
