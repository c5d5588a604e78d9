"""`make demo`, or `python -m demo`: send a request through a mesh that this project traces and show its trace.

The exit code is 0 for success, 1 for a failure, and 128 plus the signal number after an interruption. No program or
file of the demo remains, even after SIGKILL.
"""

import sys
from contextlib import suppress

from testbed.errors import OperationalError
from testbed.signals import InterruptError, raise_on_signals


def main() -> int:
    """Run the demo and return its exit code."""
    raise_on_signals()
    # Without this, a terminal that lacks box-drawing characters ends the demo.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        # Imported here so that Ctrl-C is handled during the slow imports.
        from rich.console import Console  # noqa: PLC0415

        from demo.demonstration import demonstrate  # noqa: PLC0415
        from demo.steps import Steps  # noqa: PLC0415

        demonstrate(Steps(Console()))
    except InterruptError as interrupt:
        # A closed terminal raises OSError.
        with suppress(OSError):
            print(f"Ended by {interrupt.signal.name}. All programs of the demo have ended.", flush=True)
        return interrupt.exit_code
    except OperationalError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
