from pathlib import Path

import pytest

from tests.unit.toolchain.scripted import put_on_path, thing
from toolchain.on_path import VersionRule
from toolchain.programs import named
from toolchain.provision import MissingProgram


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONSUL_TRACING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def told_of(script: str, on_path: VersionRule | None = None) -> str:
    with pytest.raises(MissingProgram) as missing:
        thing(script, on_path).obtain()
    return str(missing.value)


def test_a_failing_command_is_told_with_its_last_20_lines_and_the_full_log(own_cache: Path) -> None:
    told = told_of("for i in $(seq 30); do echo line $i; done; exit 3").splitlines()
    assert told[0] == "toolchain: thing 1.0.0 could not be built"
    assert told[1].endswith("ended with code 3; its last lines:")
    assert told[2:22] == [f"    line {number}" for number in range(11, 31)]
    assert told[22].startswith(f"  The full log is {own_cache}/thing-1.0.0-")


def test_the_full_log_holds_the_command_and_everything_it_said() -> None:
    told = told_of("echo first; echo second >&2; exit 1")
    log = Path(told.rpartition("The full log is ")[2])
    assert log.read_text() == "$ sh -c 'echo first; echo second >&2; exit 1'\nfirst\nsecond\n"


def test_a_command_ended_by_a_signal_is_told_with_the_signal() -> None:
    assert "was ended by SIGKILL" in told_of("kill -9 $$")


def test_what_was_passed_over_on_path_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = put_on_path(tmp_path / "bin", "thing", "thing 0.9.0")
    monkeypatch.setenv("PATH", f"{program.parent}:/bin")
    told = told_of("exit 1", VersionRule(oldest=(1, 0), before=(2, 0), question="version"))
    assert told.endswith(f"\n  Not used from PATH: {program} is 0.9.0; 1.0 or newer, before 2.0, serves")


def test_a_cache_that_cannot_be_written_is_told_with_the_way_on(own_cache: Path) -> None:
    own_cache.write_text("a file, not a folder")
    assert told_of("true").endswith("\n  Set CONSUL_TRACING_CACHE to a directory with 2 GB free")


def test_an_unknown_name_is_told_with_the_names_there_are() -> None:
    with pytest.raises(MissingProgram, match=r'^toolchain: "cosul" is none of pulumi, .*consul, envoy, zipkin, .*go$'):
        named("cosul")


def test_an_unknown_version_is_told_with_the_versions_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        MissingProgram, match=r'version "1\.2" cannot be had; this toolchain gets 1\.37\.0, 1\.36\.4, 1'
    ):
        named("envoy").obtain("1.2")


def test_a_jar_without_maven_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingProgram, match="install that so that `mvn` is on PATH, with Java 17"):
        named("zipkin").obtain()
