import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.toolchain.scripted import CHECKOUT, put_on_path, thing
from toolchain import __main__ as command
from toolchain.display import format_duration
from toolchain.on_path import Releases, VersionRule

QUICK = 'echo "#!/bin/sh" > "$into/thing"'
ANY_ONE = VersionRule(Releases((1, 0), before=(2, 0)), version_arguments="version")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSUL_TRACING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_build_prints_one_line_at_its_start_and_one_at_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "MESH", [thing(QUICK)])
    assert command.main([]) == 0
    start, end = capsys.readouterr().out.splitlines()
    assert start == "thing 1.0.0: building …"
    assert re.fullmatch(r"thing 1\.0\.0: built, 0\.\d s, /.*/cache/thing-1\.0\.0-[0-9a-f]{16}/thing", end)


def test_available_program_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    consul = put_on_path(tmp_path / "bin", "consul", "Consul v1.22.7")
    assert command.main(["consul"]) == 0
    assert re.fullmatch(rf"consul 1\.22\.7: on PATH, 0\.\d s, {consul}\n", capsys.readouterr().out)


def test_skipped_program_is_reported_below_the_used_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = put_on_path(tmp_path / "bin", "thing", "thing 0.9")
    monkeypatch.setattr(command, "MESH", [thing(QUICK, ANY_ONE)])
    assert command.main([]) == 0
    assert f"\n  not used from PATH: {old} is 0.9, must be 1.0 or newer" in capsys.readouterr().out


def test_unavailable_program_fails_the_command_but_not_other_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_on_path(tmp_path / "bin", "thing", "thing 1.5.0")
    monkeypatch.setattr(command, "MESH", [thing("exit 1"), thing("exit 1", ANY_ONE)])
    assert command.main([]) == 1
    captured = capsys.readouterr()
    assert "thing 1.5.0: on PATH" in captured.out
    assert captured.err.startswith("toolchain: thing 1.0.0 could not be built")


def test_kubernetes_programs_are_provided_only_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "MESH", [thing("exit 1")])
    monkeypatch.setattr(command, "KUBERNETES", [thing(QUICK)])
    assert command.main(["--for", "kubernetes"]) == 0
    assert capsys.readouterr().out.startswith("thing 1.0.0: building …")


def test_demo_requires_no_program_of_the_tests_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "MESH", [thing("exit 1")])
    monkeypatch.setattr(command, "DEMO", [thing(QUICK)])
    assert command.main(["--for", "demo"]) == 0
    assert capsys.readouterr().out.startswith("thing 1.0.0: building …")


def test_name_can_include_a_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["envoy@9.9.9"]) == 1
    assert 'got "9.9.9"' in capsys.readouterr().err


def test_unknown_name_is_one_line_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["cosul"]) == 1
    assert capsys.readouterr().err.startswith("toolchain: program must be one of pulumi")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.04, "0.0 s"), (59.0, "59.0 s"), (59.97, "1 min 0 s"), (192.4, "3 min 12 s")]
)
def test_duration_is_printed_in_minutes_and_seconds(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


COMMAND = """
import sys
from testbed.signals import raise_on_signals
from tests.unit.toolchain.scripted import thing
from toolchain import __main__ as command

raise_on_signals()
command.MESH = [thing(sys.argv[1])]
sys.exit(command.main([]))
"""


def running_command(script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, script],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(file: Path) -> None:
    until = time.monotonic() + 10
    while not file.exists():
        assert time.monotonic() < until, f"{file} did not appear"
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interruption_ends_the_builds_and_is_one_line(number: signal.Signals, code: int, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    process = running_command(f"echo > {begun}; sleep 60")
    wait_for(begun)
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (code, "thing 1.0.0: building …\n")
    assert err == "toolchain: interrupted; unfinished programs are built or fetched on the next run\n"


def test_wait_for_another_process_can_be_interrupted(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    script = f"echo > {begun}; sleep 60"
    building = running_command(script)
    wait_for(begun)
    waiting = running_command(script)
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == "thing 1.0.0: waiting for another process …\n"
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(10) == 130
    assert building.poll() is None
    building.send_signal(signal.SIGINT)
    assert building.wait(10) == 130
    for process in (waiting, building):
        process.communicate()
