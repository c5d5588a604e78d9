import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from testbed import CHECKOUT, sessions
from testbed.guardian import GuardianExitedError, guard
from testbed.http import RequestError
from testbed.processes import ProgramFailedError, Programs, WaitTimeoutError

SLEEPING = ["sleep", "300"]


@pytest.fixture
def programs() -> Iterator[Programs]:
    with Programs() as running:
        yield running


def soon(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def started_with(argument: str) -> list[psutil.Process]:
    # A process that has only just begun may not show its arguments yet.
    children = psutil.Process().children()
    return [child for child in children if child.is_running() and argument in child.cmdline()]


def written_pid(file: Path) -> int:
    assert soon(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


def test_failure_has_the_program_the_exit_code_and_the_last_lines(programs: Programs) -> None:
    with pytest.raises(ProgramFailedError) as failure:
        programs.run("counter", ["sh", "-c", "seq 1 50; echo the reason >&2; exit 7"])
    assert (failure.value.name, failure.value.exit_code) == ("counter", 7)
    headline, *lines = str(failure.value).splitlines()
    assert headline == "counter ended with exit code 7"
    assert [line.strip() for line in lines] == [*(str(number) for number in range(32, 51)), "the reason"]


def test_program_is_ended_after_the_timeout(programs: Programs) -> None:
    with pytest.raises(WaitTimeoutError, match=r"timeout after 0\.1 s while waiting for the end of sleeper"):
        programs.run("sleeper", SLEEPING, seconds=0.1)
    children = psutil.process_iter(["ppid", "cmdline"])
    assert not any("300" in (child.info["cmdline"] or []) for child in children if child.info["ppid"] == os.getpid())


def test_programs_do_not_inherit_the_consul_and_pulumi_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSUL_HTTP_ADDR", "consul.example:8500")
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "pul-0")
    monkeypatch.setenv("CONSUL_TRACING_CACHE", "/elsewhere")
    with Programs() as programs:
        environment = programs.run("env", ["env"])
    assert "CONSUL_HTTP_ADDR" not in environment
    assert "PULUMI_ACCESS_TOKEN" not in environment
    assert "CONSUL_TRACING_CACHE=/elsewhere\n" in environment


def test_programs_can_be_interrupted_from_a_background_job() -> None:
    """A shell ignores SIGINT in background jobs, and Pulumi then waits five seconds for its language host."""
    script = (
        "from testbed.processes import Programs\n"
        "with Programs() as programs:\n"
        "    print(programs.run('child', ['sh', '-c', 'kill -INT $$; echo ignored']))"
    )
    background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", script]
    ended = subprocess.run(background, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert "child ended with SIGINT" in ended.stderr
    assert "ignored" not in ended.stdout


def test_stop_ends_a_child_that_has_its_own_process_group(programs: Programs) -> None:
    child = programs.directory / "child"
    script = (
        f"import os, time; os.setpgid(0, 0); open({str(child)!r}, 'w').write(f'{{os.getpid()}}\\n'); time.sleep(300)"
    )
    program = programs.start("parent", ["sh", "-c", '"$@" & wait', "sh", sys.executable, "-c", script])
    pid = written_pid(child)
    programs.stop(program)
    assert is_gone(pid)


def test_program_that_ignores_sigterm_is_killed(programs: Programs) -> None:
    program = programs.start("stubborn", ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"])
    assert soon(lambda: program.output() == "ready\n")
    sessions.end({program.session}, grace_seconds=0.1)
    assert not program.is_running


def test_wait_fails_as_soon_as_a_program_ends(programs: Programs) -> None:
    programs.start("short", ["sh", "-c", "exit 3"])
    with pytest.raises(ProgramFailedError, match="short ended with exit code 3"):
        programs.wait_until(lambda: False, "the impossible", seconds=30)


def test_wait_timeout_has_the_condition_and_the_last_error(programs: Programs) -> None:
    def refused() -> bool:
        raise RequestError("connection refused")

    with pytest.raises(WaitTimeoutError, match=r"timeout after 0 s while waiting for a leader: connection refused"):
        programs.wait_until(refused, "a leader", seconds=0)


def test_close_ends_a_program_of_another_thread_and_rejects_new_programs() -> None:
    with Programs() as programs, ThreadPoolExecutor() as thread:
        waiting = thread.submit(programs.run, "sleeper", SLEEPING)
        assert soon(lambda: bool(started_with("300")))
        programs.close()
        assert isinstance(waiting.exception(timeout=10), GuardianExitedError)
        for late in (programs.check, lambda: programs.run("late", ["true"])):
            with pytest.raises(GuardianExitedError):
                late()


def test_exception_in_the_context_leaves_no_program_and_no_file() -> None:
    programs = Programs()
    program = programs.start("sleeper", SLEEPING)
    with pytest.raises(ProgramFailedError), programs:
        programs.run("failing", ["false"])
    assert is_gone(program.process.pid)
    assert not programs.directory.exists()


def test_killed_guardian_is_reported_and_leaves_no_program_and_no_file() -> None:
    with Programs() as programs:
        program = programs.start("sleeper", SLEEPING)
        assert soon(lambda: bool(started_with(str(programs.directory))))
        guardian = started_with(str(programs.directory))[0]
        guardian.kill()
        assert soon(lambda: is_gone(guardian.pid))
        with pytest.raises(GuardianExitedError, match="Start the run again"):
            programs.run("late", ["true"])
    assert is_gone(program.process.pid)
    assert not programs.directory.exists()


def test_forgotten_session_is_not_ended(tmp_path: Path) -> None:
    with subprocess.Popen(SLEEPING, start_new_session=True) as sleeper:
        guard([f"watch {sleeper.pid}\n", f"forget {sleeper.pid}\n"], tmp_path)
        assert sleeper.poll() is None
        sleeper.kill()


STARTER = """
import signal, time
# A test run in the background inherits that these are ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from testbed.processes import Programs
programs = Programs()
program = programs.start("parent", ["sh", "-c", "sleep 300 & sleep 300"])
print(programs.directory, program.session, flush=True)
time.sleep(300)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_starter_ended_by_a_signal_leaves_no_program_and_no_file(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER], cwd=CHECKOUT, stdout=-1, stderr=subprocess.DEVNULL
    ) as starter:
        assert starter.stdout is not None
        directory, session = starter.stdout.readline().decode().split()
        starter.send_signal(number)
    assert soon(lambda: not sessions.members({int(session)}))
    assert soon(lambda: not Path(directory).exists())
