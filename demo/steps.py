"""What happens and how long it took: a spinner and a tick at a terminal, plain lines anywhere else."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType


class Steps:
    """The demo's side of the screen."""

    def __init__(self, console: Console) -> None:
        """Show on this console."""
        self._console = console

    @property
    def at_terminal(self) -> bool:
        """Whether somebody is there to look at it, and to end it."""
        return self._console.is_terminal

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show that this goes on, then that it succeeded; a failure is told by whoever handles the exception."""
        began = time.monotonic()
        with self._console.status(title):
            yield
        self.say(f"[green]✓[/] {title} [dim]{time.monotonic() - began:.1f} s[/]")

    def say(self, text: RenderableType = "") -> None:
        """Show a line, addresses in one piece whatever the width."""
        self._console.print(text, soft_wrap=isinstance(text, str), highlight=False)
