"""Output formats of `consul-tracing lint`."""

from enum import StrEnum


class LintFormat(StrEnum):
    """Output format of the findings."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
