"""Steps of a program with their durations: a spinner on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType


class Steps:
    """Output of steps on a console."""

    def __init__(self, console: Console) -> None:
        """Print to this console."""
        self._console = console

    @property
    def is_terminal(self) -> bool:
        """Whether the console is a terminal."""
        return self._console.is_terminal

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show that a step is running and, if no exception occurs, that it is complete."""
        start = time.monotonic()
        with self._console.status(title):
            yield
        self.print(f"[green]✓[/] {title} [dim]{time.monotonic() - start:.1f} s[/]")

    def print(self, text: RenderableType = "") -> None:
        """Print text. URLs are not wrapped."""
        self._console.print(text, soft_wrap=isinstance(text, str), highlight=False)
