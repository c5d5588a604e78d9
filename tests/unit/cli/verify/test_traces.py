from typing import Any

import pytest

from consul_tracing.cli.verify import traces
from consul_tracing.cli.verify.contexts import Propagation
from consul_tracing.cli.verify.traces import Trace, continuations, other_traces, sampled_traces, wait_for_traces
from tests.unit.cli.verify.facts import CALLER, EXPECTED, SPANS, TRACE_ID, called, request, span, trace


def test_trace_of_all_expected_services_is_complete() -> None:
    assert trace(*SPANS).is_complete
    assert trace(*SPANS, expected=()).is_complete
    assert not trace(*SPANS[:3]).is_complete
    assert trace(*SPANS[:3]).missing == ("api",)


def test_missing_parent_makes_a_trace_incomplete() -> None:
    gap = trace(SPANS[0], SPANS[2], SPANS[3], expected=())
    assert [one.id for one in gap.orphans] == ["3"]
    assert not gap.is_complete
    assert not trace(expected=()).is_complete


def test_first_span_may_have_the_context_of_the_request_no_parent_or_a_shared_id() -> None:
    assert Trace(request(span_id=""), (span("1", "web", "SERVER", None),)).is_whole
    assert trace(span(CALLER, "web", "SERVER", "0" * 16, is_shared=True), expected=()).is_whole
    assert not trace(span("1", "web", "SERVER", "2"), expected=()).is_whole


def test_protobuf_reverses_the_bytes_of_span_ids() -> None:
    reversed_id = bytes.fromhex(CALLER)[::-1].hex()
    assert trace(span("1", "web", "SERVER", reversed_id), expected=()).is_whole


class Store:
    """A store in which the spans arrive one by one."""

    url = ""

    def __init__(self, *spans: Any, found: tuple[list[Any], ...] = ()) -> None:
        self.arriving, self.found, self.reads = spans, found, 0

    def check(self) -> None:
        pass

    def page(self, trace_id: str) -> str:
        return f"page of {trace_id}"

    def spans(self, trace_id: str) -> list[Any]:
        assert trace_id == TRACE_ID
        self.reads += 1
        return list(self.arriving[: self.reads])

    def tagged_spans(self, _: str) -> list[Any]:
        return []

    def traces_of(self, service: str, *_: int, **__: int) -> list[list[Any]]:
        return [spans for spans in self.found if service in {one.service for one in spans}]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(traces, "QUIET_SECONDS", 0.02)


def test_wait_ends_when_the_trace_is_complete() -> None:
    seen: list[int] = []
    (found,) = wait_for_traces(Store(*SPANS), [trace()], 10, lambda current: seen.append(len(current[0].spans)))
    assert found.is_complete
    assert seen == [1, 2, 3, 4]


def test_wait_without_expected_services_ends_when_spans_stop() -> None:
    store = Store(*SPANS)
    (found,) = wait_for_traces(store, [trace(expected=())], 10, lambda _: None)
    assert len(found.spans) == 4
    assert store.reads > 4


def test_wait_for_a_called_service_lasts_until_the_timeout() -> None:
    """Its span arrives after spans have stopped for a while."""
    call = called("1", "client", "web", CALLER)
    store = Store(*[call] * 60, span("2", "web", "SERVER", "1"))
    (found,) = wait_for_traces(store, [trace(expected=())], 10, lambda _: None)
    assert (found.is_complete, store.reads > 60) == (True, True)
    (late,) = wait_for_traces(Store(call), [trace(expected=())], 0.1, lambda _: None)
    assert (late.is_complete, late.missing) == (False, ("web",))


def test_requests_without_context_are_not_sampled_if_others_are() -> None:
    unsampled, sampled = trace(context=Propagation.NONE), trace(*SPANS, context=Propagation.NONE)
    assert sampled_traces([unsampled, sampled]) == [sampled]
    assert sampled_traces([unsampled, unsampled]) == [unsampled, unsampled]
    assert sampled_traces([trace(), sampled]) == [trace(), sampled]


def test_wait_ends_at_the_timeout_or_soon_after_a_failed_request() -> None:
    (late,) = wait_for_traces(Store(), [trace()], 0.05, lambda _: None)
    (failed,) = wait_for_traces(Store(), [trace(status=503)], 10, lambda _: None)
    assert late.spans == failed.spans == ()


def test_trace_found_by_user_agent_is_then_read_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search is more expensive: Jaeger searches in each service."""
    store, searches = Store(*SPANS), []
    monkeypatch.setattr(store, "tagged_spans", lambda user_agent: searches.append(user_agent) or list(SPANS[:1]))
    (found,) = wait_for_traces(store, [trace(trace_id="", span_id=CALLER, user_agent="a/1")], 10, lambda _: None)
    assert (found.is_complete, searches) == (True, ["a/1"])


def half(trace_id: str, started: int, service: str = "web", kind: str = "CLIENT") -> list[Any]:
    root = span("a", service, kind, None, trace_id=trace_id, start=started)
    return [root, span("b", "api", "SERVER", "a", trace_id=trace_id)]


def test_continuation_starts_in_a_sidecar_during_the_request() -> None:
    """The store is full of traces of other requests."""
    others = [half(f"{number:x}", 1_000_000 + number) for number in range(200)]
    wrong = [half("f1", 2_500, "billing"), half("f2", 2_500, kind="SERVER"), half("f3", 1_999), half("f4", 12_001)]
    right = half("f5", 2_500)
    assert continuations(trace(*SPANS[:2]), [*others, *wrong, right]) == [right]


def test_other_traces_are_searched_for_missing_services() -> None:
    right = half("f5", 2_500)
    assert other_traces(Store(found=(right, list(SPANS))), trace(*SPANS[:2])) == [right]
    assert other_traces(Store(found=(right,)), trace()) == []
    assert other_traces(Store(found=(list(SPANS),)), trace(*SPANS, expected=EXPECTED)) == []
