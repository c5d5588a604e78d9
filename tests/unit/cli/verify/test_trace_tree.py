import io
from typing import Any

from rich.console import Console

from consul_tracing.cli.verify.failures import first_error, last_servers
from consul_tracing.cli.verify.trace_tree import Line, Node, trace_lines, trace_table, trace_tree
from consul_tracing.sources.spans import Span


def span(identity: str, service: str, kind: str, parent: str | None = None, **more: Any) -> Span:
    own = {"name": f"get {identity}", **more}
    return Span(trace_id="1", id=identity, parent_id=parent, service=service, kind=kind, **own)


def nested(nodes: tuple[Node, ...] | list[Node]) -> list[Any]:
    return [[node.span.id, *nested(node.children)] if node.children else node.span.id for node in nodes]


DEMO = [
    span("4", "api", "SERVER", "3", start=40, duration=1_600),
    span("2", "web", "SERVER", "1", start=20, duration=45_300),
    span("1", "client", "CLIENT", start=10, duration=45_900),
    span("3", "web", "CLIENT", "2", start=30, duration=2_200),
]


def test_span_is_nested_below_its_parent() -> None:
    assert nested(trace_tree(DEMO)) == [["1", ["2", ["3", "4"]]]]


def test_line_has_service_kind_name_and_duration() -> None:
    assert list(trace_lines(DEMO))[:2] == [
        Line("", "client", "CLIENT", "get 1", "45.9 ms"),
        Line("└─ ", "web", "SERVER", "get 2", "45.3 ms"),
    ]


def test_siblings_are_sorted_by_timestamp() -> None:
    spans = [
        span("root", "web", "SERVER", start=1),
        span("late", "web", "CLIENT", "root", start=9),
        span("early", "web", "CLIENT", "root", start=3),
    ]
    assert [line.outline + line.name for line in trace_lines(spans)] == ["get root", "├─ get early", "└─ get late"]


def test_child_with_an_earlier_timestamp_is_nested_below_its_parent() -> None:
    spans = [span("child", "api", "SERVER", "parent", start=1), span("parent", "web", "CLIENT", start=500)]
    assert nested(trace_tree(spans)) == [["parent", "child"]]


def test_server_span_is_nested_below_the_client_span_with_the_same_id() -> None:
    spans = [
        span("2", "api", "SERVER", "1", is_shared=True, start=25),
        span("2", "web", "CLIENT", "1", start=20),
        span("1", "web", "SERVER", start=10),
    ]
    assert [(line.service, line.kind) for line in trace_lines(spans)] == [
        ("web", "SERVER"),
        ("web", "CLIENT"),
        ("api", "SERVER"),
    ]


def test_child_of_a_shared_id_is_nested_below_the_server_span() -> None:
    spans = [
        span("1", "client", "CLIENT", start=10),
        span("1", "web", "SERVER", is_shared=True, start=20),
        span("2", "web", "CLIENT", "1", start=30),
    ]
    assert [line.outline for line in trace_lines(spans)] == ["", "└─ ", "   └─ "]


def test_span_without_its_parent_is_shown_with_a_note() -> None:
    lines = trace_lines([DEMO[2], DEMO[3]])
    assert [(line.outline, line.note) for line in lines] == [("", ""), ("", "(parent is missing)")]


def test_spans_in_a_cycle_are_shown_once() -> None:
    spans = [span("1", "a", "CLIENT", "2"), span("2", "b", "SERVER", "1")]
    assert nested(trace_tree(spans)) == [["1", "2"]]


def test_span_that_is_its_own_parent_is_shown_once() -> None:
    assert nested(trace_tree([span("1", "a", "CLIENT", "1")])) == ["1"]


def test_span_with_only_an_id_is_shown() -> None:
    assert list(trace_lines([Span("1", "1")])) == [Line("", "-", "-", "-", "-")]


def test_trace_without_spans_has_no_lines() -> None:
    assert list(trace_lines([])) == []


def test_brackets_in_a_name_are_shown_unchanged() -> None:
    screen = io.StringIO()
    Console(file=screen, width=100).print(trace_table([span("1", "a", "CLIENT", name="get [/]")]))
    assert "get [/]" in screen.getvalue()


def test_columns_are_aligned() -> None:
    screen = io.StringIO()
    Console(file=screen, width=100).print(trace_table(DEMO))
    head, *lines = screen.getvalue().splitlines()
    assert [line.index("get ") for line in lines] == [head.index("name")] * 4


def test_loop_of_calls_is_shown_in_part() -> None:
    """A service that Consul routes to itself calls itself until the request fails."""
    loop = [
        span(str(number), "web", "SERVER" if number % 2 else "CLIENT", str(number - 1), start=number)
        for number in range(1, 3_001)
    ]
    screen = io.StringIO()
    Console(file=screen, width=400).print(trace_table(loop))
    assert screen.getvalue().splitlines()[-1].strip() == "… 2,900 more spans"
    assert first_error(loop) == ""
    assert last_servers(loop) == []
