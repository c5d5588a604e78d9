"""Turning the signals that want an end into an exception, so that `with` blocks can do their work."""

import signal
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """Somebody wants this process to end."""

    def __init__(self, number: int) -> None:
        """`number` is the signal's."""
        super().__init__()
        self.signal = signal.Signals(number)

    @property
    def exit_code(self) -> int:
        """What a shell makes of a program that a signal ended."""
        return 128 + self.signal


def raise_on_signals() -> None:
    """Raise `Interrupted` in the main thread on the first signal that wants an end, and ignore those that follow."""
    for number in SIGNALS:
        is_under_nohup = number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN
        if not is_under_nohup:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise Interrupted(number)
