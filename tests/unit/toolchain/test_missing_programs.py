from pathlib import Path

import pytest

from tests.unit.toolchain.scripted import put_on_path, thing
from toolchain.errors import MissingProgramError
from toolchain.on_path import Releases, VersionRule
from toolchain.programs import find_program


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONSUL_TRACING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def message_of(script: str, on_path: VersionRule | None = None) -> str:
    with pytest.raises(MissingProgramError) as missing:
        thing(script, on_path).obtain()
    return str(missing.value)


def test_failed_command_is_reported_with_its_last_20_lines_and_the_full_log(own_cache: Path) -> None:
    lines = message_of("for i in $(seq 30); do echo line $i; done; exit 3").splitlines()
    assert lines[0] == "toolchain: thing 1.0.0 could not be built"
    assert lines[1] == "  build ended with exit code 3"
    assert lines[2:22] == [f"    line {number}" for number in range(11, 31)]
    assert lines[22].startswith(f"  Full log: {own_cache}/thing-1.0.0-")


def test_full_log_has_the_command_and_its_complete_output() -> None:
    message = message_of("echo first; echo second >&2; exit 1")
    log = Path(message.rpartition("Full log: ")[2])
    assert log.read_text() == "$ /bin/sh -c 'echo first; echo second >&2; exit 1'\nfirst\nsecond\n"


def test_command_ended_by_a_signal_is_reported_with_the_signal() -> None:
    assert "build ended with SIGKILL" in message_of("kill -9 $$")


def test_unsupported_program_on_path_is_also_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = put_on_path(tmp_path / "bin", "thing", "thing 0.9.0")
    monkeypatch.setenv("PATH", str(program.parent))
    message = message_of("exit 1", VersionRule(Releases((1, 0), before=(2, 0)), version_arguments="version"))
    assert message.endswith(f"\n  Not used from PATH: {program} is 0.9.0, must be 1.0 or newer and before 2.0")


def test_cache_that_cannot_be_written_is_reported_with_the_fix(own_cache: Path) -> None:
    own_cache.write_text("a file, not a folder")
    headline, fix = message_of("true").splitlines()
    assert headline.startswith(f"toolchain: thing 1.0.0 cannot be written to {own_cache}: ")
    assert fix == "  Set CONSUL_TRACING_CACHE to a writable directory with 2 GB of free space"


def test_missing_home_directory_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_entry_in_passwd() -> Path:
        raise RuntimeError

    for name in ("CONSUL_TRACING_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_entry_in_passwd)
    with pytest.raises(MissingProgramError, match=r"^toolchain: this user has no home directory\. Set HOME to .*$"):
        thing("true").obtain()


def test_unknown_name_is_rejected_with_the_known_names() -> None:
    with pytest.raises(
        MissingProgramError, match=r'^toolchain: program must be one of pulumi, .*consul, envoy, java, .*, got "cosul"$'
    ):
        find_program("cosul")


def test_unknown_version_is_rejected_with_the_known_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        MissingProgramError, match=r'version must be one of 1\.37\.0, 1\.36\.4, 1\.38\.3, 1\.40\.0, got "1\.2"'
    ):
        find_program("envoy").obtain("1.2")
