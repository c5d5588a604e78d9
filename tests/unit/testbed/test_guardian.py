import subprocess
from pathlib import Path

import psutil
import pytest

from testbed.guardian import Guardian, GuardianExitedError, guard


@pytest.fixture
def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sleep", "300"], start_new_session=True)


def test_forgotten_session_is_not_ended(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    guard([f"watch {sleeper.pid}\n", f"forget {sleeper.pid}\n"], tmp_path)
    assert sleeper.poll() is None
    sleeper.kill()
    sleeper.wait()


def test_killed_guardian_is_reported(tmp_path: Path) -> None:
    before = psutil.Process().children()
    guardian = Guardian(tmp_path)
    (process,) = set(psutil.Process().children()) - set(before)
    process.kill()
    process.wait()
    with pytest.raises(GuardianExitedError, match="Start the run again"):
        guardian.watch(1)
    guardian.dismiss()
