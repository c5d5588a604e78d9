"""A program with a stand-in for machines that cannot download it."""

import time
from contextlib import suppress
from dataclasses import dataclass

from testbed.processes import Programs
from toolchain.cache import Entry
from toolchain.errors import MissingProgramError
from toolchain.jobs import Progress
from toolchain.provision import Obtained, Program

HOURS_BETWEEN_ATTEMPTS = 24
"""Interval between download attempts, so that an offline machine waits for the server once a day only."""


@dataclass(frozen=True)
class ProgramWithStandIn(Program):
    """A program that `stand_in` replaces if it is not on PATH and its download fails."""

    stand_in: Program

    def obtain(
        self, version: str | None = None, progress: Progress | None = None, programs: Programs | None = None
    ) -> Obtained:
        """Find or download the program, else return the stand-in."""
        started = time.monotonic()
        default = self.source.versions[0]
        entry = self.entry(default)
        with suppress(MissingProgramError):
            if self.is_ready() or not failed_recently(entry):
                return super().obtain(version, progress, programs)
        note = (
            f"the official {self.name} {default} cannot be downloaded (log: {entry.log}); "
            f"the next attempt is {HOURS_BETWEEN_ATTEMPTS} hours after this one"
        )
        path = self.stand_in.obtain(progress=progress, programs=programs).path
        return Obtained(self.name, default, path, "stand-in", time.monotonic() - started, note)


def failed_recently(entry: Entry) -> bool:
    """Whether the latest attempt failed within `HOURS_BETWEEN_ATTEMPTS`. Only a failure leaves a log."""
    try:
        age = time.time() - entry.log.stat().st_mtime
    except FileNotFoundError:
        return False
    return age < HOURS_BETWEEN_ATTEMPTS * 3600
