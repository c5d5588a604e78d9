"""Termination signals as an exception, so that `with` blocks clean up."""

import signal
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptError(KeyboardInterrupt):
    """The process received a termination signal."""

    def __init__(self, number: int) -> None:
        """Take the number of the signal."""
        super().__init__()
        self.signal = signal.Signals(number)

    @property
    def exit_code(self) -> int:
        """Exit code that a shell reports for a program ended by this signal."""
        return 128 + self.signal


def raise_on_signals() -> None:
    """Raise `InterruptError` in the main thread on the first termination signal and ignore later ones."""
    for number in SIGNALS:
        is_under_nohup = number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN
        if not is_under_nohup:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise InterruptError(number)
