"""`python -m toolchain [NAMES…]`: get the real programs in advance and show the origin of each.

A name may include a version: `envoy@1.40.0`. Without names, get every program that --for requires.
`python -m toolchain prune` removes superseded programs from the cache.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from testbed.errors import OperationalError
from testbed.processes import Programs
from testbed.signals import InterruptError, raise_on_signals
from toolchain import prune
from toolchain.display import Display, open_display
from toolchain.errors import MissingProgramError
from toolchain.programs import DEMO, GO, KUBERNETES, MESH, find_program
from toolchain.provision import Program
from toolchain.sources import GoModule


@dataclass(frozen=True)
class ProgramRequest:
    """A program to get. `version` is exact; None means any supported one."""

    program: Program
    version: str | None = None

    @classmethod
    def parse(cls, text: str) -> "ProgramRequest":
        """Parse `name` or `name@version`. Raises `MissingProgramError` for an unknown name."""
        name, _, version = text.partition("@")
        return cls(find_program(name), version or None)

    @property
    def title(self) -> str:
        """Name and version of the program that is built or fetched if PATH has none."""
        return f"{self.program.name} {self.version or self.program.source.versions[0]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Get the programs. Return the exit code: 0 for success, 1 if one is missing, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m toolchain", description=__doc__)
    required = {"demo": DEMO, "mesh": MESH, "kubernetes": KUBERNETES}
    parser.add_argument("names", nargs="*", help="default: every program that --for requires")
    parser.add_argument("--for", dest="use", choices=required, default="mesh", help="default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        if options.names == ["prune"]:
            prune.prune()
            return 0
        requests = [ProgramRequest.parse(name) for name in options.names]
        with open_display() as display:
            return 0 if obtain_all(requests or list(map(ProgramRequest, required[options.use])), display) else 1
    except OperationalError as error:
        print(error, file=sys.stderr)
        return 1
    except InterruptError as interrupt:
        print("toolchain: interrupted; unfinished programs are built or fetched on the next run", file=sys.stderr)
        return interrupt.exit_code


def obtain_all(requests: Sequence[ProgramRequest], display: Display) -> bool:
    """Get the programs and return whether all are available.

    One build and one download run at a time: a build uses two cores, a download uses almost none.
    """
    builds = [request for request in requests if request.program.source.how == "built"]
    downloads = [request for request in requests if request.program.source.how == "fetched"]
    with Programs() as programs, ThreadPoolExecutor(max_workers=2) as executor:
        try:
            built = executor.submit(build, builds, display, programs)
            fetched = executor.submit(obtain, downloads, display, programs)
            return all([built.result(), fetched.result()])
        except BaseException:
            # The executor would otherwise wait until the commands of both threads end.
            programs.close()
            raise


def build(requests: Sequence[ProgramRequest], display: Display, programs: Programs) -> bool:
    """Build programs. Get Go first if one of them requires it."""
    modules = [request for request in requests if isinstance(request.program.source, GoModule)]
    ready = all(request.program.is_ready(request.version) for request in modules)
    return (ready or obtain([ProgramRequest(GO)], display, programs)) and obtain(requests, display, programs)


def obtain(requests: Sequence[ProgramRequest], display: Display, programs: Programs) -> bool:
    """Get programs in sequence, continue after a failure, and return whether all are available."""
    complete = True
    for request in requests:
        with display(request.title) as row:
            try:
                row.obtained(request.program.obtain(request.version, row, programs))
            except MissingProgramError as error:
                row.missing(error)
                complete = False
    return complete


if __name__ == "__main__":
    raise_on_signals()
    sys.exit(main())
