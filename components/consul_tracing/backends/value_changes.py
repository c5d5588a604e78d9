"""Values and their differences as text for messages. JSON within JSON is compared field by field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from consul_tracing.entries.bodies import canonical_json
from consul_tracing.entries.field_paths import is_cluster, path_label
from consul_tracing.envoy_messages.json_values import fraction_percent, json_objects, snake_case
from consul_tracing.errors import format_rate, format_value
from consul_tracing.names import LISTENER_KEY, SAMPLING_RATES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.entries.ownership import Change
    from consul_tracing.names import FieldPath

MAX_REPORTED = 10
"""Items of a list that a message names; the rest is counted."""

UNSET = "unset"


def capped(items: list[str], *, limit: int = MAX_REPORTED) -> list[str]:
    """Return the sorted items up to the limit, and the number of omitted items."""
    more = [f"and {len(items) - limit} more"] if len(items) > limit else []
    return [*sorted(items)[:limit], *more]


def listed(items: list[str], *, limit: int = MAX_REPORTED) -> str:
    """Return the capped items in one line."""
    return ", ".join(capped(items, limit=limit))


def change_lines(changes: tuple[Change, ...]) -> list[str]:
    """Return a line for each change.

    Examples: `Protocol "tcp" → "http"`, `envoy_listener_tracing_json random_sampling 7 % → 1 %`.
    """
    return capped([text for change in changes for text in _change_texts(change)])


def _change_texts(change: Change) -> list[str]:
    part, old, new = change
    name = path_label(part)
    if is_cluster(part) or part[-1].lower().endswith("_json"):
        before, after = _fields(part, old), _fields(part, new)
        if before and after:
            return [
                f"{name} {_short(path)} {before.get(path, UNSET)} → {after.get(path, UNSET)}"
                for path in sorted(before.keys() | after.keys())
                if before.get(path) != after.get(path)
            ]
        return [f"{name} {_state(old)} → {_state(new)}"]
    return [f"{name} {_value_text(old)} → {_value_text(new)}"]


def _state(text: object) -> str:
    if text is None:
        return UNSET
    return "another value" if json_objects(text) else "not valid JSON"


def _value_text(value: object) -> str:
    return UNSET if value is None else format_value(value)


def _fields(part: FieldPath, text: object) -> dict[tuple[str, ...], str]:
    """Return the fields of Envoy's JSON by path, as messages show them. Empty for text that is not a JSON object."""
    try:
        content = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return {}
    if not isinstance(content, dict):
        return {}
    shown = {path: _shown(path, value) for path, value in _leaves(content, ())}
    if part[-1].lower() == LISTENER_KEY:
        # Envoy's default for an omitted rate.
        rates: dict[tuple[str, ...], str] = {(f"{name}_sampling",): "100 %" for name in SAMPLING_RATES}
        shown = {**rates, **shown}
    return shown


def _leaves(value: object, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    match value:
        case {"value": percent} if above and above[-1].endswith("_sampling"):
            yield above, percent
        case {"numerator": _} if above and above[-1] == "sampling_percentage":
            yield above, fraction_percent(value)
        case dict():
            for key, member in value.items():
                yield from _leaves(member, (*above, snake_case(key)))
        case list():
            # The order of tags and of other named objects has no meaning.
            for number, member in enumerate(sorted(value, key=canonical_json)):
                yield from _leaves(member, (*above, str(number)))
        case _:
            yield above, value


def _shown(path: tuple[str, ...], value: object) -> str:
    if path[-1].endswith(("_sampling", "sampling_percentage")) and isinstance(value, int | float):
        return format_rate(value)
    return format_value(value)


def _short(path: tuple[str, ...]) -> str:
    names = [step for step in path if not step.isdigit()]
    return ".".join(names[-2:])
