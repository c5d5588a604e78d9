import subprocess
from pathlib import Path

import psutil
import pytest

from testbed.guardian import Guardian, GuardianExitedError, guard


@pytest.fixture
def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sleep", "300"], start_new_session=True)


def test_watched_session_is_ended_after_the_last_line(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    guard([f"watch {sleeper.pid}\n"], tmp_path)
    assert sleeper.wait(5) == -15


def test_forgotten_session_is_not_ended(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    guard([f"watch {sleeper.pid}\n", f"forget {sleeper.pid}\n"], tmp_path)
    assert sleeper.poll() is None
    sleeper.kill()
    sleeper.wait()


def test_run_directory_is_removed_with_its_content(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    (directory / "state").mkdir(parents=True)
    guard([], directory)
    assert not directory.exists()


def test_dismiss_waits_until_all_sessions_are_ended(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    guardian = Guardian(tmp_path)
    guardian.watch(sleeper.pid)
    guardian.dismiss()
    assert sleeper.poll() is not None


def test_killed_guardian_is_reported(tmp_path: Path) -> None:
    before = psutil.Process().children()
    guardian = Guardian(tmp_path)
    (process,) = set(psutil.Process().children()) - set(before)
    process.kill()
    process.wait()
    with pytest.raises(GuardianExitedError, match="Start the run again"):
        guardian.watch(1)
    guardian.dismiss()
