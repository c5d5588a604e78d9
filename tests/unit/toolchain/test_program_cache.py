import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.unit.toolchain.scripted import CHECKOUT, thing
from toolchain import cache
from toolchain.errors import MissingProgramError

QUICK = 'echo "#!/bin/sh" > "$into/thing"'


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONSUL_TRACING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def obtaining(script: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).with_name("scripted.py")), script]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def wait_for(file: Path) -> str:
    until = time.monotonic() + 10
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < until, f"{file} did not appear"
        time.sleep(0.02)
    return file.read_text()


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def entries(own_cache: Path) -> list[str]:
    return [path.name for path in own_cache.iterdir() if path.is_dir()]


def test_built_program_is_read_from_the_cache_on_the_next_run() -> None:
    first, second = thing(QUICK).obtain(), thing(QUICK).obtain()
    assert (first.origin, second.origin) == ("built", "cache")
    assert first.path == second.path
    assert first.path.read_text() == "#!/bin/sh\n"


def test_failed_build_leaves_no_entry_and_can_be_repeated(own_cache: Path) -> None:
    with pytest.raises(MissingProgramError):
        thing('echo half > "$into/thing"; exit 1').obtain()
    assert entries(own_cache) == []
    assert thing(QUICK).obtain().origin == "built"


def test_build_without_the_program_leaves_no_entry(own_cache: Path) -> None:
    with pytest.raises(MissingProgramError, match="the built files do not include thing"):
        thing("true").obtain()
    assert entries(own_cache) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_build_ends_its_children_and_leaves_no_files(
    number: signal.Signals, tmp_path: Path, own_cache: Path
) -> None:
    child = tmp_path / "child"
    process = obtaining(f'echo half > "$into/thing"; sleep 60 & echo $! > {child}; wait')
    pid = int(wait_for(child))
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode != 0
    assert is_gone(pid)
    assert entries(own_cache) == []


def test_files_of_a_killed_build_are_ignored_and_removed_by_the_next_build(tmp_path: Path, own_cache: Path) -> None:
    child = tmp_path / "child"
    process = obtaining(f'echo half > "$into/thing"; echo $$ > {child}; exec sleep 60')
    pid = int(wait_for(child))
    process.kill()
    process.communicate(timeout=10)

    made = thing(QUICK).obtain()

    # The guardian ends the build after the process that started it.
    deadline = time.monotonic() + 10
    while not is_gone(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_gone(pid)
    assert made.origin == "built"
    assert made.path.read_text() == "#!/bin/sh\n"
    assert entries(own_cache) == [made.path.parent.name]


def test_two_processes_build_a_program_once(tmp_path: Path) -> None:
    builds = tmp_path / "builds"
    script = f'echo built >> {builds}; sleep 0.5; echo whole > "$into/thing"'
    both = [obtaining(script), obtaining(script)]
    paths = {process.communicate(timeout=20)[0] for process in both}
    assert builds.read_text() == "built\n"
    assert len(paths) == 1


def test_wait_for_another_process_is_shown(tmp_path: Path) -> None:
    begun, steps = tmp_path / "begun", set()

    class Steps:
        def step(self, doing: str, total: int | None = None) -> None:
            assert total is None
            steps.add(doing)

        def advance(self) -> None:
            pass

    other = obtaining(f'echo yes > {begun}; sleep 0.5; echo whole > "$into/thing"')
    wait_for(begun)
    assert thing(QUICK).obtain(progress=Steps()).origin == "cache"
    assert steps == {"waiting for another process"}
    other.communicate(timeout=10)


@pytest.mark.parametrize(
    ("environment", "directory"),
    [
        ({"CONSUL_TRACING_CACHE": "/own", "XDG_CACHE_HOME": "/xdg"}, "/own"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/consul-tracing"),
        ({"HOME": "/home/someone"}, "/home/someone/.cache/consul-tracing"),
    ],
)
def test_cache_directory_is_set_by_the_environment(
    environment: dict[str, str], directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CONSUL_TRACING_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache.directory() == Path(directory)
