"""Ids of traces and spans in the form of Zipkin, with which ids in headers are compared."""

TRACE_DIGITS = 32
SPAN_DIGITS = 16


def trace_id(digits: str) -> str:
    """Return a trace id with 16 digits if the first 64 of 128 bits are zero, as Zipkin's 64-bit ids, or with 32."""
    short = digits.lower().lstrip("0")
    return short.zfill(SPAN_DIGITS if len(short) <= SPAN_DIGITS else TRACE_DIGITS)


def span_id(digits: str) -> str:
    """Return a span id with all its digits. Stores may omit the first zeros."""
    return digits.lower().zfill(SPAN_DIGITS)
