"""A program that cannot always be downloaded, and a stand-in for it."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from testbed.processes import Programs
from toolchain.cache import Entry
from toolchain.errors import MissingProgram
from toolchain.jobs import Progress
from toolchain.provision import Obtained, Program

HOURS_BETWEEN_ATTEMPTS = 24
"""How long a failed download is remembered: a machine that cannot reach the server waits for it once a day."""


@dataclass(frozen=True)
class ProgramWithStandIn(Program):
    """A program that is replaced by `stand_in` when it is not on PATH and its download fails."""

    stand_in: Path

    def obtain(
        self, version: str | None = None, progress: Progress | None = None, programs: Programs | None = None
    ) -> Obtained:
        """Find or download the program, else return the stand-in."""
        started = time.monotonic()
        offered = self.source.versions[0]
        entry = self.entry(offered)
        with suppress(MissingProgram):
            if self.is_ready() or not failed_recently(entry):
                return super().obtain(version, progress, programs)
        note = (
            f"the official {self.name} {offered} cannot be downloaded (log: {entry.log}); "
            f"the next attempt is {HOURS_BETWEEN_ATTEMPTS} hours after this one"
        )
        return Obtained(self.name, offered, self.stand_in, "stand-in", time.monotonic() - started, note)

    def path_if_ready(self) -> Path:
        """Return the executable without downloading anything: the program's own, or the stand-in."""
        return self.obtain().path if self.is_ready() else self.stand_in


def failed_recently(entry: Entry) -> bool:
    """Whether the latest attempt to make this entry failed, not long ago: only a failure leaves a log."""
    try:
        age = time.time() - entry.log.stat().st_mtime
    except FileNotFoundError:
        return False
    return age < HOURS_BETWEEN_ATTEMPTS * 3600
