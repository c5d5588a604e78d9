"""Requests with a trace context of this command."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from consul_tracing.errors import CommandError
from consul_tracing.sources.http import HttpClient, HttpError, one_line, parsed_url, port_of, shown_url

from .contexts import Propagation, context_headers, context_of, sampled_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consul_tracing.sources.http import Response

USER_AGENT = "consul-tracing-verify"
"""Envoy tags spans with the user agent. The tag finds a trace whose id the first proxy chooses."""

SECONDS = 30.0
"""Deadline of a request."""

ERROR_STATUS = 400
"""The first status of an error."""

LOCAL_REPLIES = (
    "upstream connect error or disconnect/reset before headers",
    "no healthy upstream",
    "upstream request timeout",
    "RBAC: access denied",
    "Jwt ",
)
"""How responses start that Envoy makes. Proxies before it add the duration header to them."""

HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*?)[ \t]*")


@dataclass(frozen=True)
class SentRequest:
    """A request and its outcome."""

    url: str
    """The URL without credentials and query."""
    port: int
    trace_id: str = ""
    """The trace id of its context. Empty without a context."""
    span_id: str = ""
    """The span id of its context, the parent of the first span."""
    user_agent: str = ""
    """The unique user agent of the request. Empty if a header of the caller replaces it."""
    request_id: str = ""
    """The header x-request-id of the caller. Without it the first proxy creates a random one."""
    unsampled_header: str | None = None
    """The header that marks the request as not sampled."""
    started: int = 0
    """Time in microseconds since the epoch."""
    context: Propagation = Propagation.NONE
    """The headers that mark the request as sampled."""
    status: int | None = None
    error: str | None = None
    """The reason if there is no response."""
    responder: str = ""
    """The proxy that made the response, as far as its headers and its text show it."""

    @property
    def span_ids(self) -> frozenset[str]:
        """The span id of its context, and the same id as Envoy reports it in protobuf, with its bytes reversed."""
        is_id = re.fullmatch("[0-9a-f]{16}", self.span_id)
        return frozenset({self.span_id, bytes.fromhex(self.span_id)[::-1].hex()} if is_id else {self.span_id})

    @property
    def age(self) -> float:
        """Seconds since the request was sent."""
        return max(0, time.time_ns() // 1000 - self.started) / 1e6

    @property
    def host(self) -> str:
        """The host of the URL."""
        return urlsplit(self.url).hostname or ""

    @property
    def is_successful(self) -> bool:
        """Whether a response without an error arrived."""
        return self.status is not None and self.status < ERROR_STATUS

    @property
    def outcome(self) -> str:
        """The status of the response, or the reason why there is none."""
        return f"no response: {self.error}" if self.status is None else f"status {self.status}"


def parsed_headers(options: Sequence[str], option: str = "--header") -> dict[str, str]:
    """Return headers that an option gives as `Name: value`, with names in lower case.

    Raises CommandError without the value, which may be a secret.
    """
    headers = {}
    for number, text in enumerate(options, 1):
        match = HEADER.fullmatch(text)
        if match is None:
            raise CommandError(f"{option} number {number} must have the form 'Name: value' with ASCII characters")
        headers[match[1].lower()] = match[2]
    if "traceparent" in headers and not re.fullmatch(r"(?:[0-9a-f]+-){3}[0-9a-f]{2}(?:-.*)?", headers["traceparent"]):
        raise CommandError("--header traceparent must have the form version-trace-parent-flags")
    return headers


def send(url: str, propagation: Propagation, headers: Mapping[str, str]) -> SentRequest:
    """Send one request with a new trace context, and return its outcome. Additional headers replace the context."""
    context = context_headers(propagation, secrets.token_hex(16), secrets.token_hex(8))
    has_own_context = any(name in {"b3", "traceparent"} or name.startswith("x-b3-") for name in headers)
    sent = {
        "user-agent": f"{USER_AGENT}/{secrets.token_hex(8)}",
        **({} if has_own_context else context),
        **headers,
    }
    trace_id, span_id = context_of(sent)
    sampled, unsampled = sampled_by(sent)
    parsed = parsed_url(url)
    status, error, responder = None, None, ""
    started = time.time_ns() // 1000
    try:
        response = HttpClient(url=parsed, seconds=SECONDS).request(headers=sent)
        status, responder = response.status, _responder(response)
    except HttpError as failure:
        error = str(failure)
    return SentRequest(
        url=shown_url(parsed),
        port=port_of(parsed),
        trace_id=trace_id,
        span_id=span_id,
        user_agent="" if "user-agent" in headers else sent["user-agent"],
        request_id=headers.get("x-request-id", ""),
        unsampled_header=unsampled,
        started=started,
        context=sampled,
        status=status,
        error=error,
        responder=responder,
    )


def _responder(response: Response) -> str:
    """Return which proxy made a response. Envoy adds the duration header to the responses of upstreams only."""
    if response.headers.get("server") == "envoy" and "x-envoy-upstream-service-time" not in response.headers:
        return "the first proxy made the response itself"
    text = response.body.decode(errors="replace")
    return f'a proxy: "{one_line(text)}"' if text.startswith(LOCAL_REPLIES) else ""
