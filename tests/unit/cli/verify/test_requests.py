import pytest

from consul_tracing.cli.verify.contexts import Propagation
from consul_tracing.cli.verify.requests import SentRequest, parsed_headers, send
from consul_tracing.errors import CommandError
from tests.unit.http_server import Headers, serving

OWN_TRACE, OWN_SPAN = "463ac35c9f6413ad48485a3953bb6124", "a2fb4a1d1a96d312"


class Sent:
    """A request that is answered without a network."""

    def __init__(self, propagation: Propagation, *options: str, status: int = 200, **headers: str) -> None:
        self.headers: Headers = {}

        def answer(_: str, received: Headers) -> tuple[int, bytes]:
            self.headers = received
            return status, b""

        added = {name.replace("_", "-"): value for name, value in headers.items()}
        with serving(answer, headers=added) as address:
            url = f"http://user:secret@{address}/a?token=secret"
            self.request: SentRequest = send(url, propagation, parsed_headers(options))


def test_context_is_sent_in_the_chosen_headers() -> None:
    b3 = Sent(Propagation.B3)
    assert b3.headers["x-b3-traceid"] == b3.request.trace_id
    assert b3.headers["x-b3-spanid"] == b3.request.span_id
    assert b3.headers["x-b3-sampled"] == "1"
    single = Sent(Propagation.B3_SINGLE)
    assert single.headers["b3"] == f"{single.request.trace_id}-{single.request.span_id}-1"
    w3c = Sent(Propagation.W3C)
    assert w3c.headers["traceparent"] == f"00-{w3c.request.trace_id}-{w3c.request.span_id}-01"
    none = Sent(Propagation.NONE)
    assert (none.request.trace_id, none.request.context) == ("", Propagation.NONE)
    auto = Sent(Propagation.AUTO)
    assert auto.headers["x-b3-traceid"] == auto.request.trace_id
    assert auto.headers["traceparent"] == f"00-{auto.request.trace_id}-{auto.request.span_id}-01"
    assert [one.request.context for one in (auto, b3, single, w3c)] == list(Propagation)[:4]


@pytest.mark.parametrize(
    ("options", "context", "unsampled"),
    [
        (["X-B3-TraceId: " + OWN_TRACE, "X-B3-SpanId: " + OWN_SPAN, "X-B3-Sampled: 0"], "none", "x-b3-sampled"),
        ([f"b3: {OWN_TRACE}-{OWN_SPAN}-0"], "none", "b3"),
        ([f"b3: {OWN_TRACE}-{OWN_SPAN}-d"], "b3-single", None),
        ([f"b3: {OWN_TRACE}-{OWN_SPAN}"], "none", None),
        ([f"traceparent: 00-{OWN_TRACE}-{OWN_SPAN}-00"], "none", "traceparent"),
        ([f"traceparent: 00-{OWN_TRACE}-{OWN_SPAN}-03"], "w3c", None),
    ],
)
def test_context_of_additional_headers_replaces_the_own_one(
    options: list[str], context: str, unsampled: str | None
) -> None:
    sent = Sent(Propagation.B3, *options).request
    assert (sent.trace_id, sent.span_id) == (OWN_TRACE, OWN_SPAN)
    assert (sent.context, sent.unsampled_header) == (context, unsampled)


def test_decision_without_trace_id() -> None:
    assert Sent(Propagation.B3, "b3: 0").request.unsampled_header == "b3"
    assert Sent(Propagation.B3, "Authorization: secret").request.trace_id


def test_trace_is_not_searched_by_a_user_agent_that_is_not_unique() -> None:
    assert Sent(Propagation.NONE).request.user_agent.startswith("consul-tracing-verify/")
    assert Sent(Propagation.NONE, "User-Agent: curl").request.user_agent == ""


def test_outcome_names_status_and_responder() -> None:
    direct = Sent(Propagation.B3, status=503, server="envoy").request
    assert (direct.outcome, direct.responder) == ("status 503", "the first proxy made the response itself")
    assert Sent(Propagation.B3, status=503, server="envoy", x_envoy_upstream_service_time="3").request.responder == ""


def test_credentials_and_query_are_not_shown() -> None:
    sent = Sent(Propagation.B3).request
    assert sent.url == f"http://127.0.0.1:{sent.port}/a"
    assert "secret" not in repr(sent)


@pytest.mark.parametrize(
    "options",
    [
        "secret",
        ": secret",
        "A: secret\u00e9",
        "A b: secret",
        "A: sec\nret",
        *(f"traceparent: {value}" for value in ("secret", "00-aa-bb-01zz")),
    ],
)
def test_invalid_header_is_reported_without_its_value(options: str) -> None:
    with pytest.raises(CommandError) as failure:
        parsed_headers(["A: b", options])
    assert "sec" not in str(failure.value)


def test_request_without_response_has_a_reason() -> None:
    sent = send("http://127.0.0.1:1/", Propagation.B3, {})
    assert "refused" in sent.outcome
    assert not sent.is_successful
