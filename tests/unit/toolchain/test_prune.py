import fcntl
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.toolchain.scripted import Script, put_on_path, thing
from toolchain import __main__ as command
from toolchain import prune

OLD = "thing-0.9.0-0123456789abcdef"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the cache's directory, with a used and a superseded entry, and Go's caches beside it."""
    monkeypatch.setenv("CONSUL_TRACING_CACHE", str(tmp_path / "cache"))
    used = thing('echo used > "$into/thing"')
    used.obtain()
    monkeypatch.setattr(prune, "PROGRAMS", [used])
    for name in (OLD, f"{OLD}.abc.partial"):
        (tmp_path / "cache" / name).mkdir()
        with (tmp_path / "cache" / name / "thing").open("wb") as file:
            file.truncate(600_000_000)
    (tmp_path / "cache" / f"{OLD}.log").write_text("")
    (tmp_path / "go").mkdir()
    go = put_on_path(tmp_path / "bin", "go")
    answers = f'case "$1" in version) echo go1.26.1 ;; env) printf "%s\\n" {tmp_path}/go {tmp_path}/go ;; esac'
    go.write_text(f"#!/bin/sh\n{answers}\n")
    monkeypatch.setenv("PATH", str(go.parent))
    return tmp_path / "cache"


def names(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


def test_superseded_entries_are_removed_with_their_partial_copies_and_logs(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["prune"]) == 0
    (used,) = [path for path in cache.iterdir() if path.is_dir()]
    assert names(cache) == [used.name, f"{used.name}.lock"]
    assert (used / "thing").read_text() == "used\n"
    removed, total, *_ = capsys.readouterr().out.splitlines()
    assert removed == f"removed {OLD}: 1.2 GB"
    assert total == f"{cache}: 1.2 GB removed, 0.0 GB in use"


def test_entry_is_kept_until_its_replacement_is_complete(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another Go on PATH every program that is built has another key, and a rebuild takes 20 minutes."""
    rebuilt = replace(thing('echo new > "$into/thing"'), source=Script("true", versions=("2.0.0",)))
    monkeypatch.setattr(prune, "PROGRAMS", [rebuilt])
    before = {path.name for path in cache.iterdir() if path.is_dir() and path.suffix != ".partial"}
    prune.prune()
    assert before <= set(names(cache))


def test_entries_of_other_programs_are_kept(cache: Path) -> None:
    other = f"thing-of-another-checkout-{OLD.partition('-')[2]}"
    (cache / other).mkdir()
    prune.prune()
    assert other in names(cache)


def test_files_other_than_entries_are_kept(cache: Path) -> None:
    (cache / "notes.log").write_text("mine")
    (cache / "thing-0.9.0").mkdir()
    prune.prune()
    assert {"notes.log", "thing-0.9.0"} <= set(names(cache))


def test_entry_that_another_process_builds_is_kept(cache: Path) -> None:
    with (cache / f"{OLD}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        prune.prune()
        assert {OLD, f"{OLD}.abc.partial"} <= set(names(cache))


def test_log_of_a_failed_build_of_a_current_program_is_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = replace(thing("exit 1"), name="missing")
    log = missing.entry("1.0.0").log
    log.write_text("why")
    monkeypatch.setattr(prune, "PROGRAMS", [missing])
    prune.prune()
    assert log.name in names(cache)


def test_size_of_the_go_caches_is_printed_with_the_command_that_removes_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "go/module").open("wb") as file:
        file.truncate(3_400_000_000)
    prune.prune()
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert lines[:2] == [f"GOMODCACHE {tmp_path}/go: 3.4 GB", f"GOCACHE {tmp_path}/go: 3.4 GB"]
    assert lines[2].endswith(f" {tmp_path}/bin/go clean -modcache -cache")


def test_prune_accepts_an_empty_cache_and_a_missing_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONSUL_TRACING_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert command.main(["prune"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/empty: 0.0 GB removed, 0.0 GB in use\n"
    assert not os.path.lexists(tmp_path / "empty")
