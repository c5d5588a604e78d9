import subprocess
from pathlib import Path

import psutil
import pytest

from testbed.guardian import Guardian, GuardianExitedError, guard


@pytest.fixture
def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sleep", "300"], start_new_session=True)


def test_a_watched_session_is_ended_when_the_lines_end(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    guard([f"watch {sleeper.pid}\n"], tmp_path)
    assert sleeper.wait(5) == -15


def test_a_forgotten_session_is_left_alone(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    guard([f"watch {sleeper.pid}\n", f"forget {sleeper.pid}\n"], tmp_path)
    assert sleeper.poll() is None
    sleeper.kill()
    sleeper.wait()


def test_the_run_directory_is_removed_with_what_is_in_it(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    (directory / "state").mkdir(parents=True)
    guard([], directory)
    assert not directory.exists()


def test_dismissing_waits_until_all_is_ended(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    guardian = Guardian(tmp_path)
    guardian.watch(sleeper.pid)
    guardian.dismiss()
    assert sleeper.poll() is not None


def test_a_guardian_that_is_gone_is_told(tmp_path: Path) -> None:
    before = psutil.Process().children()
    guardian = Guardian(tmp_path)
    (process,) = set(psutil.Process().children()) - set(before)
    process.kill()
    process.wait()
    with pytest.raises(GuardianExitedError, match="Start the run again"):
        guardian.watch(1)
    guardian.dismiss()
