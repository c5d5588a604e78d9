"""Runs at an interval."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from consul_tracing.cli.command import OutputFormat
from consul_tracing.cli.verify import watch
from consul_tracing.cli.verify.outcomes import Outcome, line_of
from consul_tracing.cli.verify.report import Result
from consul_tracing.cli.verify.store import StoreOptions, store_of
from consul_tracing.cli.verify.verification import Plan
from consul_tracing.cli.verify.watch import Watch
from consul_tracing.errors import CommandError
from testbed.http import send_request
from testbed.ports import free_port
from tests.unit.cli.verify.facts import SPANS, trace
from tests.unit.cli.verify.results import REJECTED, complete, incomplete

PLAN = Plan("http://user:secret@localhost:9191/?key=secret", store_of(StoreOptions(zipkin="http://localhost:9411")))

Outcomes = list[Result | Exception]


class Clock:
    """A clock that only waits and runs advance. After the last run, a signal ends the command."""

    def __init__(self, outcomes: Outcomes, durations: list[float]) -> None:
        self.now = 0.0
        self.started: list[float] = []
        self.outcomes, self.durations = iter(outcomes), iter(durations)
        self.signal = signal.SIGINT if len(outcomes) % 2 else signal.SIGTERM
        self.time = time.time

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def verify(self, _: Plan) -> Result:
        outcome = next(self.outcomes, None)
        if outcome is None:
            os.kill(os.getpid(), self.signal)
            time.sleep(5)
            raise AssertionError("the signal must end the run")
        self.started.append(self.now)
        self.now += next(self.durations, 1)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@dataclass
class Run:
    """Runs a watch on a clock."""

    monkeypatch: pytest.MonkeyPatch
    clock: Clock = field(init=False)

    def __call__(self, outcomes: Outcomes, *durations: float, **options: Any) -> Watch:
        self.clock = Clock(outcomes, [*durations])
        self.monkeypatch.setattr(watch, "time", self.clock)
        self.monkeypatch.setattr(watch, "verify", self.clock.verify)
        watched = Watch("http://localhost:9191/", lambda: PLAN, 60, **options)
        watched.run()
        return watched


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    before = [signal.getsignal(number) for number in watch.SIGNALS]
    yield Run(monkeypatch)
    assert [signal.getsignal(number) for number in watch.SIGNALS] == before


def test_interval_is_the_time_between_the_starts(run: Run) -> None:
    run([complete()] * 3, 1, 20, 5)
    assert run.clock.started == [0, 60, 120]


def test_long_run_delays_the_next_and_none_is_made_up_for(run: Run) -> None:
    run([complete()] * 4, 200, 1, 1, 1)
    assert run.clock.started == [0, 200, 260, 320]


def test_each_run_is_a_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run([complete(), incomplete()])
    assert capsys.readouterr() == (
        (
            "2026-01-01T00:00:00Z complete: 4 spans after 0.6 s\n"
            "2026-01-01T00:00:00Z incomplete: 3 spans after 0.4 s; services without a span: api; CT404 The collector "
            "rejects spans: api (127.0.0.1:19002): the collector responds with status 404\n"
        ),
        "",
    )


def test_each_run_is_a_json_document(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run([complete(), incomplete()], form=OutputFormat.JSON)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["complete"], first["time"], first["seconds"]) == (True, "2026-01-01T00:00:00Z", 0.6)
    assert [cause["code"] for cause in second["causes"]] == ["CT404"]


def test_line_has_no_control_characters_and_names_what_is_not_known() -> None:
    assert "\n" not in line_of(incomplete(type(REJECTED)("CT404", "api\n", "\x1b[0m", "")))
    assert line_of(Result(trace(*SPANS[:3]), requests=3, complete=2)).endswith(
        "incomplete: 2 of 3 traces are complete; 3 spans; services without a span: api; no cause was found"
    )


def test_failed_run_does_not_end_the_others(run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    watched = run([complete(), CommandError("no cluster"), KeyError("spans")], junit=report)
    assert watched.history.runs == {Outcome.COMPLETE: 1, Outcome.FAILED: 2}
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("Z consul-tracing: CT601: no cluster")
    assert second.endswith("Z consul-tracing: CT601: KeyError: 'spans'")
    text = report.read_text()
    assert ("<error message=" in text, "secret" in text) == (True, False)


def test_report_that_cannot_be_written_ends_the_first_run(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        run([complete()], junit=tmp_path / "missing" / "report.xml")


def test_report_that_can_no_longer_be_written_hides_no_result(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(*_: object) -> None:
        if run.clock.started != [0]:
            raise CommandError("report.xml cannot be written: No space left on device")

    monkeypatch.setattr(watch, "write_report", write)
    watched = run([complete(), incomplete(), KeyError("spans")], junit=tmp_path / "report.xml")
    assert watched.history.runs == {Outcome.COMPLETE: 1, Outcome.INCOMPLETE: 1, Outcome.FAILED: 1}
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 2
    assert output.err.count("No space left on device") == 2


def test_first_run_that_cannot_start_ends_the_command(run: Run) -> None:
    with pytest.raises(CommandError, match="no cluster"):
        run([CommandError("no cluster")])


def test_error_of_this_package_in_the_first_run_is_a_failed_run(run: Run) -> None:
    watched = run([KeyError("spans"), complete()])
    assert watched.history.runs == {Outcome.FAILED: 1, Outcome.COMPLETE: 1}


@pytest.mark.parametrize("number", watch.SIGNALS)
def test_signal_ends_a_run_that_waits_for_a_server(number: int) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as stalled:
        url = f"http://127.0.0.1:{stalled.getsockname()[1]}/"
        options = ["--interval=60", f"--metrics={port}", f"--zipkin={url}"]
        command = [sys.executable, "-m", "consul_tracing.cli", "verify", url, *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            connection, _ = stalled.accept()
            assert send_request(port, "/metrics").status == 200
            process.send_signal(number)
            assert (process.communicate(timeout=5), process.returncode) == ((b"", b""), 0)
            connection.close()
    with socket.create_server(("127.0.0.1", port)):
        pass
