"""Headers with the trace context of a request."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_REQUESTS = 100
"""Requests of one run, each with its own trace context."""

SAMPLED = frozenset({"1", "true", "d"})
NOT_SAMPLED = frozenset({"0", "false"})


class Propagation(StrEnum):
    """Headers that carry the trace context of a request."""

    AUTO = "auto"
    """Those that the tracer in Consul reads, or B3 and W3C with one id if it is not known."""
    B3 = "b3"
    B3_SINGLE = "b3-single"
    W3C = "w3c"
    NONE = "none"


def context_headers(propagation: Propagation, trace_id: str, span_id: str) -> dict[str, str]:
    """Return the headers of a sampled trace context."""
    match propagation:
        case Propagation.AUTO:
            both = (context_headers(one, trace_id, span_id) for one in (Propagation.B3, Propagation.W3C))
            return {name: value for headers in both for name, value in headers.items()}
        case Propagation.B3:
            return {"x-b3-traceid": trace_id, "x-b3-spanid": span_id, "x-b3-sampled": "1"}
        case Propagation.B3_SINGLE:
            return {"b3": f"{trace_id}-{span_id}-1"}
        case Propagation.W3C:
            return {"traceparent": f"00-{trace_id}-{span_id}-01"}
        case Propagation.NONE:
            return {}


def context_of(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the trace id and the span id in the headers of a request. Both are empty without a trace context."""
    if trace_id := headers.get("x-b3-traceid"):
        return trace_id, headers.get("x-b3-spanid", "")
    for fields in (headers.get("b3", "").split("-"), headers.get("traceparent", "").split("-")[1:]):
        if len(fields) > 1:
            return fields[0], fields[1]
    return "", ""


def sampled_by(headers: Mapping[str, str]) -> tuple[Propagation, str | None]:
    """Return the context that marks a request as sampled, and the header that marks it as not sampled."""
    b3 = headers.get("b3", "").split("-")
    flags = headers.get("traceparent", "").split("-")[3:4]
    decisions = [
        (Propagation.B3, "x-b3-sampled", headers.get("x-b3-sampled", "").lower()),
        (Propagation.B3_SINGLE, "b3", "".join(b3[2:3]) if len(b3) > 1 else b3[0]),
        (Propagation.W3C, "traceparent", str(int(flags[0], 16) % 2) if flags else ""),
    ]
    sampled = [context for context, _, decision in decisions if decision in SAMPLED]
    unsampled = (header for _, header, decision in decisions if decision in NOT_SAMPLED)
    context = Propagation.AUTO if {Propagation.B3, Propagation.W3C} <= {*sampled} else next(iter(sampled), None)
    return context or Propagation.NONE, next(unsampled, None)
