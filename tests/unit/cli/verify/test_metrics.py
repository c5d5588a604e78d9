"""Metrics of repeated runs, and their server."""

import socket
from collections.abc import Iterator

import pytest

from consul_tracing.cli.verify.evidence import Cause
from consul_tracing.cli.verify.metrics import CAUSES, PREFIX, History, listen_address, metrics, serving
from consul_tracing.cli.verify.report import Result
from consul_tracing.errors import CommandError
from testbed.http import send_request
from testbed.ports import free_port
from tests.unit.cli.verify.results import REJECTED, complete, incomplete


def samples(history: History, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a metric by the values of its labels."""
    found = [sample for metric in metrics(history) for sample in metric.samples if sample.name == f"{PREFIX}{name}"]
    return {tuple(sample.labels.values()): sample.value for sample in found}


def after(*results: Result | None) -> History:
    history = History(60)
    for second, result in enumerate(results, 1_767_225_600):
        history = history.with_run(result, second)
    return history


def test_result_of_the_last_run() -> None:
    history = after(complete(), incomplete())
    assert samples(history, "complete") == {(): 0}
    assert samples(history, "missing_service") == {("client",): 0, ("web",): 0, ("api",): 1}
    assert samples(history, "arrival_seconds") == {(): 0.4}
    assert samples(history, "last_run_timestamp_seconds") == {(): 1767225601}
    assert samples(history, "interval_seconds") == {(): 60}


def test_causes_are_counted_by_code() -> None:
    history = after(incomplete(REJECTED, REJECTED, Cause("CT409", "api", "", "")))
    found = {labels: number for labels, number in samples(history, "causes").items() if number}
    rejects, no_http = "The collector rejects spans", "A service is not HTTP for its proxy"
    assert found == {("CT404", rejects): 2, ("CT409", no_http): 1}


def test_cause_that_disappears_is_zero() -> None:
    found = samples(after(incomplete(), complete()), "causes")
    assert len(found) == len(CAUSES)
    assert set(found.values()) == {0}


def test_every_outcome_is_counted_from_the_start() -> None:
    names = ("complete", "incomplete", "failed")
    assert samples(after(), "runs_total") == {(name,): 0 for name in names}
    history = after(complete(), complete(), incomplete(), None)
    assert samples(history, "runs_total") == {("complete",): 2, ("incomplete",): 1, ("failed",): 1}


@pytest.mark.parametrize("results", [(), (complete(), None)], ids=["first", "failed"])
def test_without_a_last_result_there_is_none(results: tuple[Result | None, ...]) -> None:
    for name in ("complete", "missing_service", "causes", "arrival_seconds"):
        assert samples(after(*results), name) == {}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:9464", ("0.0.0.0", 9464)),  # noqa: S104 - not opened
        ("[::1]:9464", ("::1", 9464)),
        ("node-1.example:1", ("node-1.example", 1)),
    ],
)
def test_address_is_the_loopback_without_a_host(text: str, address: tuple[str, int]) -> None:
    assert listen_address(text) == address


@pytest.mark.parametrize("text", ["", "0", "65536", ":9464", "::1:9464", "http://localhost:9464", "host", "a b:9464"])
def test_invalid_address_is_an_error(text: str) -> None:
    with pytest.raises(CommandError, match="--metrics must have the form HOST:PORT or PORT"):
        listen_address(text)


@pytest.fixture
def port() -> Iterator[int]:
    port = free_port()
    with serving(("127.0.0.1", port), lambda: after(complete())):
        yield port


def test_metrics_are_served(port: int) -> None:
    found = send_request(port, "/metrics")
    assert found.status == 200
    assert 'consul_tracing_verify_runs_total{result="complete"} 1.0' in found.text.splitlines()


def test_client_that_sends_nothing_holds_no_other(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)):
        assert send_request(port, "/metrics").status == 200


def test_port_in_use_is_an_error(port: int) -> None:
    with (
        pytest.raises(CommandError, match=f"the metrics cannot be served at 127.0.0.1:{port}: Address already in use"),
        serving(("127.0.0.1", port), after),
    ):
        pass


def test_port_is_free_afterwards() -> None:
    port = free_port()
    for _ in range(2):
        with serving(("127.0.0.1", port), after):
            pass


def test_ipv6_address() -> None:
    port = free_port()
    with serving(("::1", port), after), socket.create_connection(("::1", port)):
        pass


def test_unknown_host_is_an_error() -> None:
    with (
        pytest.raises(CommandError, match="cannot be served at no-such-host.invalid:9464"),
        serving(("no-such-host.invalid", 9464), after),
    ):
        pass
