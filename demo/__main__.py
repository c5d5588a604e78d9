"""`make demo`, or `python -m demo`: see a request's way through a mesh, traced by this project.

Exits with 0 on proof, 1 on failure, 128 and the signal's number when interrupted. However it ends, SIGKILL included,
nothing that it started is left.
"""

import sys
from contextlib import suppress

from testbed.errors import Failure
from testbed.signals import Interrupted, raise_on_signals


def main() -> int:
    """Run the demo and return its exit code."""
    raise_on_signals()
    # A terminal that knows no box characters shall show something else, not end the demo.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        run()
    except Interrupted as interruption:
        # A terminal that was closed takes no more lines.
        with suppress(OSError):
            print(f"Ended by {interruption.signal.name}; nothing of the demo is left.", flush=True)
        return interruption.exit_code
    except Failure as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    return 0


def run() -> None:
    """Run the demo on this terminal."""
    # These imports take long enough for a Ctrl-C; they stand where it is handled.
    from rich.console import Console  # noqa: PLC0415

    from demo.demonstration import demonstrate  # noqa: PLC0415
    from demo.steps import Steps  # noqa: PLC0415
    from toolchain import MissingProgram  # noqa: PLC0415

    try:
        demonstrate(Steps(Console()))
    except MissingProgram as missing:
        raise Failure(str(missing)) from missing


if __name__ == "__main__":
    sys.exit(main())
