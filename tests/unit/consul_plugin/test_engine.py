import os
from pathlib import Path

from toolchain.consul_plugin.engine import MARK_PREFIX, born, first_of_this_run


def test_only_the_first_plugin_of_a_run_introduces_itself(tmp_path: Path) -> None:
    assert [first_of_this_run(tmp_path, os.getpid()) for _ in range(2)] == [True, False]


def test_a_later_run_with_the_same_process_number_introduces_itself(tmp_path: Path) -> None:
    (tmp_path / f"{MARK_PREFIX}{os.getpid()}-1").touch()
    assert first_of_this_run(tmp_path, os.getpid())


def test_marks_of_ended_runs_are_swept_away(tmp_path: Path) -> None:
    (tmp_path / f"{MARK_PREFIX}999999999-1").touch()
    first_of_this_run(tmp_path, os.getpid())
    assert [mark.name for mark in tmp_path.iterdir()] == [f"{MARK_PREFIX}{os.getpid()}-{born(str(os.getpid()))}"]


def test_a_folder_that_cannot_be_written_keeps_the_plugin_quiet(tmp_path: Path) -> None:
    assert not first_of_this_run(tmp_path / "missing", os.getpid())
