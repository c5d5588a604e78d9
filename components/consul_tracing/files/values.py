"""Values that the readers of files return: maps with lines, texts, and expressions that are not evaluated."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from consul_tracing.names import FieldPath


class Map(dict[str, Any]):
    """A map with the lines of its keys."""

    def __init__(self, line: int) -> None:
        """Create an empty map that starts on a line."""
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}
        self.replaced: set[str] = set()
        """The keys whose value replaced another one."""
        self.has_unknown_keys = False
        """Whether a template adds keys."""

    def put(self, key: str, value: object, line: int) -> None:
        """Set a key. Repeated maps form a list, as repeated blocks do. Other repeated values replace each other."""
        existing = self.get(key)
        if isinstance(value, Map) and isinstance(existing, Map | Blocks):
            self[key] = Blocks([*existing, value] if isinstance(existing, Blocks) else [existing, value])
            return
        if key in self:
            self.replaced.add(key)
        self[key] = value
        self.lines[key] = line


class Items(list[Any]):
    """A list with the lines of its members."""

    def __init__(self, members: Iterable[Any] = (), lines: Iterable[int] = ()) -> None:
        """Create a list. Members without a line have that of their key."""
        super().__init__(members)
        self.lines = list(lines)


class Blocks(list[Any]):
    """Repeated blocks with the same name."""


class Heredoc(str):
    """Text that starts in the line after its key."""

    __slots__ = ()


class JsonText(str):
    """The text that `jsonencode` or `yamlencode` returns, as JSON, with the encoded value."""

    __slots__ = ("encoded",)

    encoded: object


@dataclass(frozen=True)
class Unevaluated:
    """An expression whose value is unknown: a variable, a function or a template."""

    text: str
    """The expression as in the file."""

    encoded: Any = None
    """The argument of `jsonencode`, or the content of JSON text, if only parts of it are unknown."""

    inner: str | None = field(default=None, compare=False)
    """The content of a text with templates, a Heredoc if it starts in the line after its key."""


def expressions(value: object, path: FieldPath = ()) -> Iterator[tuple[FieldPath, str]]:
    """Yield the paths and texts of the expressions inside a value."""
    match value:
        case Unevaluated():
            yield path, value.text
        case dict():
            for key, member in value.items():
                yield from expressions(member, (*path, key))
        case list():
            for index, member in enumerate(value):
                yield from expressions(member, (*path, str(index)))


def line_numbers(text: str, positions: Sequence[int]) -> list[int]:
    """Return the lines, from 1, of positions in ascending order."""
    breaks = (text.count("\n", start, end) for start, end in pairwise([0, *positions]))
    return [number + 1 for number in accumulate(breaks)]
