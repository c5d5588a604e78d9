"""The tracing keys of a proxy's configuration as data, with the mistakes in their form."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from consul_tracing.envoy_messages.json_values import json_objects
from consul_tracing.files.values import Blocks, Heredoc, Unevaluated, expressions
from consul_tracing.names import CLUSTERS_KEY, LISTENER_KEY, TRACER_KEY, TRACING_KEYS

from .findings import Issue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_tracing.names import FieldPath, JsonObject


class Unknown:
    """A value that cannot be evaluated or read. Rules about its content do not apply."""


UNKNOWN = Unknown()


@dataclass(frozen=True)
class ProxyConfig:
    """The tracing keys of a proxy-defaults entry or of a registration. None: the key is absent."""

    tracer: Any = None
    """The content of `envoy_tracing_json`."""
    listener: Any = None
    """The content of `envoy_listener_tracing_json`."""
    clusters: Any = None
    """The list in `envoy_extra_static_clusters_json`."""
    others: Mapping[str, Any] = field(default_factory=dict)
    """The other keys, in lower case."""
    issues: tuple[Issue, ...] = ()
    """Mistakes in the form of the values."""

    def over(self, base: ProxyConfig | None, *, is_gateway: bool = False) -> ProxyConfig:
        """Return the configuration of a proxy: its registration over proxy-defaults, which is None if unknown.

        `is_gateway`: the proxy ignores sampling rates, so that it needs none.
        """
        below = base or ProxyConfig(UNKNOWN, UNKNOWN, UNKNOWN)
        if is_gateway and below.listener is None:
            below = replace(below, listener=UNKNOWN)
        return ProxyConfig(
            below.tracer if self.tracer is None else self.tracer,
            below.listener if self.listener is None else self.listener,
            below.clusters if self.clusters is None else self.clusters,
        )


def proxy_config(config: object) -> ProxyConfig:
    """Read the tracing keys. Consul ignores the case of keys."""
    if isinstance(config, Unevaluated):
        return ProxyConfig(UNKNOWN, UNKNOWN, UNKNOWN, issues=(_not_checked(("Config",), config.text),))
    if not isinstance(config, dict):
        return ProxyConfig()
    issues: list[Issue] = []
    # Of keys that differ in their case, Consul uses the one in lower case.
    keys = sorted((key for key in config if key.lower() in TRACING_KEYS), key=str.islower)
    found = {key.lower(): _content(key, config[key], issues) for key in keys}
    return ProxyConfig(
        found.get(TRACER_KEY),
        found.get(LISTENER_KEY),
        found.get(CLUSTERS_KEY),
        {key.lower(): value for key, value in config.items() if key.lower() not in TRACING_KEYS},
        tuple(issues),
    )


def _content(key: str, value: object, issues: list[Issue]) -> object:
    """Return the content of a tracing key, UNKNOWN if it cannot be read."""
    path, is_list = ("Config", key), key.lower() == CLUSTERS_KEY
    if isinstance(value, Unevaluated):
        return _evaluated(value, path, issues, is_list=is_list)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        issues.append(
            Issue("CT301", path, f"must be JSON as text, got {'a list' if isinstance(value, list) else 'a map'}")
        )
        return _members(value) if is_list else value
    content, issue = _parsed_clusters(value, path) if is_list else _parsed(value, path)
    if issue:
        issues.append(_with_line(issue, value))
    if content is UNKNOWN or isinstance(content, list if is_list else dict):
        return content
    issues.append(Issue("CT302", path, "must be a JSON object, got another value"))
    return UNKNOWN


def _with_line(issue: Issue, text: str) -> Issue:
    """Name the line of text that has no lines of its own in the file."""
    if not issue.text_line or isinstance(text, Heredoc):
        return issue
    shown = f" in line {issue.text_line} of the text" if "\n" in text.strip() else ""
    return replace(issue, reason=f"{issue.reason}{shown}", text_line=0)


def _evaluated(value: Unevaluated, path: FieldPath, issues: list[Issue], *, is_list: bool) -> object:
    """Return the known part of a `jsonencode` whose argument contains expressions."""
    issues += [_not_checked((*path, *place), text) for place, text in expressions(value.encoded)]
    if isinstance(value.encoded, Blocks):
        return value.encoded if is_list else UNKNOWN
    if isinstance(value.encoded, list) and is_list:
        issues.append(_brackets(path))
        return value.encoded
    if isinstance(value.encoded, dict):
        return _members(value.encoded) if is_list else value.encoded
    if value.encoded is None:
        issues.append(_not_checked(path, value.text))
    return UNKNOWN


def _members(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _parsed(text: str, path: FieldPath) -> tuple[object, Issue | None]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        return _repaired(text, error, path)
    except (ValueError, RecursionError) as error:
        return UNKNOWN, _not_json(path, f"an error: {error}")
    if not isinstance(content, str):
        return content, None
    inner, _ = _parsed(content, path)
    return inner, Issue("CT302", path, "must be JSON that is escaped once, got JSON that is escaped twice")


def _repaired(text: str, error: json.JSONDecodeError, path: FieldPath) -> tuple[object, Issue | None]:
    """Return the content of text with backslashes or commas that JSON does not have, UNKNOWN for another error."""
    if text.startswith("\\", error.pos):
        fixed, line = text.replace('\\"', '"'), error.lineno
        reason = "backslashes before the quotes: single-quoted YAML, `|` and heredocs need none"
    else:
        fixed, place = _without_commas(text)
        line, reason = text.count("\n", 0, place) + 1, "a comma after the last member"
    try:
        content = json.loads(fixed)
    except (ValueError, RecursionError):
        return UNKNOWN, _not_json(path, f"an error: {error.msg}", error.lineno)
    return content, _not_json(path, reason, line, (text.strip(), fixed.strip()))


def _without_commas(text: str) -> tuple[str, int]:
    """Return text without the commas after last members, and the place of the first."""
    first = 0
    for _ in range(MAX_COMMAS):
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            # Python 3.13 reports the comma, older versions the bracket.
            comma = error.pos if text.startswith(",", error.pos) else len(text[: error.pos].rstrip()) - 1
            if not LAST_COMMA.match(text, comma):
                break
            text, first = text[:comma] + text[comma + 1 :], first or comma
        else:
            break
    return text, first


def _not_json(path: FieldPath, got: str, line: int = 0, replacement: tuple[str, str] | None = None) -> Issue:
    return Issue("CT302", path, f"must be valid JSON, got {got}", replacement=replacement, text_line=line)


def _parsed_clusters(text: str, path: FieldPath) -> tuple[object, Issue | None]:
    """Return the clusters of text that Consul inserts between the brackets of a list."""
    stripped = text.strip()
    content, issue = _parsed(f"[{text}]", path)
    if issue and issue.replacement:
        old, new = issue.replacement
        issue = replace(issue, replacement=(old[1:-1].strip(), new[1:-1].strip()))
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], list):
        fixed = stripped[1:-1].strip()
        return content[0], _brackets(path, (stripped, fixed))
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], str):
        inner, _ = _parsed_clusters(content[0], path)
        return inner, Issue("CT302", path, "must be JSON that is escaped once, got JSON that is escaped twice")
    fixed = stripped.rstrip(", \n\t")
    if issue and fixed != stripped:
        content, rest = _parsed(f"[{fixed}]", path)
        if rest is None:
            return content, Issue("CT303", path, "must not end with a comma", replacement=(stripped, fixed))
    return content, issue


def _brackets(path: FieldPath, replacement: tuple[str, str] | None = None) -> Issue:
    reason = "must be clusters separated by commas, got a list in brackets. Consul adds the brackets"
    return Issue("CT309", path, reason, replacement=replacement)


def _not_checked(path: FieldPath, expression: str) -> Issue:
    short = " ".join(expression.split())
    shown = short if len(short) <= MAX_EXPRESSION_LENGTH else f"{short[:MAX_EXPRESSION_LENGTH]}…"
    return Issue("CT330", path, f"is not checked, because it is an expression: {shown}")


LAST_COMMA = re.compile(r",\s*[}\]]")

MAX_COMMAS = 50
"""Commas after last members that are removed."""

MAX_EXPRESSION_LENGTH = 60
"""Characters of an expression that a finding shows."""


def entry_objects(value: object) -> list[JsonObject] | None:
    """Return the objects in JSON text, or in `jsonencode`. None if there are none."""
    if isinstance(value, Unevaluated):
        return [value.encoded] if isinstance(value.encoded, dict) else None
    return json_objects(value) or None
