"""The severity of each code."""

from enum import StrEnum


class Severity(StrEnum):
    """How much a message matters."""

    ERROR = "error"
    """An update stops, proxies do not start, requests are not traced, or a command could not run."""
    WARNING = "warning"
    """Requests are traced, with an effect that few users want."""
    INFO = "info"
    """Nothing to change, or a value that is not checked."""


WARNINGS = frozenset(
    f"CT{number}"
    for number in (
        *(307, 309, 315, 316, 317, 319, 321, 326, 327, 328, 329, 333, 337, 338, 339, 340, 342, 343, 344, 345, 346),
        *(350, 354, 357, 358, 359, 390),
        *range(501, 600),
        *(603, 604),
    )
)
INFORMATION = frozenset({"CT330", "CT360", "CT504", "CT505", "CT507", "CT535", "CT536"})


def severity(code: str) -> Severity:
    """Return the severity of a code: the highest one, if it depends on the message."""
    if code in INFORMATION:
        return Severity.INFO
    return Severity.WARNING if code in WARNINGS else Severity.ERROR
