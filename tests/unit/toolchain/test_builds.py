import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.toolchain.scripted import CHECKOUT, put_on_path, thing
from toolchain import MissingProgramError, sources
from toolchain import __main__ as command
from toolchain.cache import log_of
from toolchain.program import SECONDS_BETWEEN_DOWNLOADS, OnPath, PluginOfPulumi, Program
from toolchain.sources import go_program, jar, pulumi_plugin

QUICK = "echo whole > thing"
# Writes its arguments and GOOS into the program.
GO = """
case "$1 $*" in
  version*) echo "go version go{version} linux/amd64" ;;
  list*) echo "go: downloading"; echo "{module}" ;;
  build*) arguments="$*"; while [ "$1" != -o ]; do shift; done; echo "$arguments GOOS=$GOOS" > "$2" ;;
esac
"""
MAVEN = (
    "for argument; do case $argument in -DoutputDirectory=*) echo jar > ${argument#*=}/server-slim.jar ;; esac; done"
)
INSTALL = "folder=$PULUMI_HOME/plugins/resource-thing-v$5; mkdir -p $folder; cp $0 $folder/pulumi-resource-thing"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the cache of this test, in which no program of this machine is on PATH."""
    monkeypatch.setenv("CONSUL_TRACING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "cache"


def start(script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.unit.toolchain.scripted", script],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(file: Path) -> None:
    """Wait until a script has written its line into the file, which it creates empty."""
    until = time.monotonic() + 30
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < until, f"{file} is not written"
        time.sleep(0.02)


def remaining(cache: Path) -> list[str]:
    return [path.suffix for path in cache.iterdir() if path.suffix != ".lock"]


def test_program_is_built_once(tmp_path: Path) -> None:
    program = thing(f"echo built >> {tmp_path}/builds; {QUICK}")
    assert program.obtain() == program.obtain() == program.ready()
    assert (tmp_path / "builds").read_text() == "built\n"
    assert program.obtain("2.0.0") != program.obtain()


def test_failed_build_is_reported_with_its_last_lines_and_log_and_can_be_repeated(cache: Path) -> None:
    with pytest.raises(MissingProgramError) as missing:
        thing("for i in $(seq 30); do echo line $i; done; echo half > thing; exit 3").obtain()
    title, ended, *lines, log = str(missing.value).splitlines()
    assert title == "toolchain: thing 1.0.0 cannot be built or downloaded"
    assert ended.endswith("ended with exit code 3")
    assert lines == [f"    line {number}" for number in range(11, 31)]
    assert len(Path(log.removeprefix("  Full log: ")).read_text().splitlines()) == 30
    assert remaining(cache) == [".log"]
    assert thing(QUICK).obtain().read_text() == "whole\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_build_is_one_line_and_leaves_no_files(
    number: signal.Signals, code: int, tmp_path: Path, cache: Path
) -> None:
    process = start(f"echo half > thing; echo > {tmp_path}/begun; exec sleep 60")
    wait_for(tmp_path / "begun")
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert errors.splitlines()[1:] == [
        "toolchain: interrupted; missing programs are built or downloaded on the next run"
    ]
    assert remaining(cache) == []


def test_files_of_a_killed_build_are_removed_by_the_next(tmp_path: Path, cache: Path) -> None:
    process = start(f"echo half > other; echo $$ > {tmp_path}/begun; exec sleep 60")
    wait_for(tmp_path / "begun")
    process.kill()
    process.communicate(timeout=30)
    os.kill(int((tmp_path / "begun").read_text()), signal.SIGKILL)
    program = thing(QUICK).obtain()
    assert [file.name for file in program.parent.iterdir()] == ["thing"]
    assert remaining(cache) == [program.parent.suffix]


def test_two_processes_build_a_program_once(tmp_path: Path) -> None:
    processes = [start(f"echo built >> {tmp_path}/builds; sleep 0.5; {QUICK}") for _ in range(2)]
    assert len({process.communicate(timeout=30)[0] for process in processes}) == 1
    assert (tmp_path / "builds").read_text() == "built\n"


def test_cache_that_cannot_be_written_is_reported_with_the_fix(cache: Path) -> None:
    cache.write_text("a file, not a folder")
    with pytest.raises(MissingProgramError, match="cannot be written: .*\n  Set CONSUL_TRACING_CACHE to a writable"):
        thing(QUICK).obtain()


def test_missing_program_fails_the_command_but_not_other_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed = put_on_path(tmp_path / "bin", "thing", "echo thing 1.5.0")
    monkeypatch.setattr(command, "DEMO", (thing("exit 1"), thing("exit 1", OnPath("1.0", "2.0"))))
    assert command.main(["--for", "demo"]) == 1
    captured = capsys.readouterr()
    assert captured.out == f"thing: {installed}\n"
    assert captured.err.startswith("thing 1.0.0: building or downloading …\ntoolchain: thing 1.0.0 cannot be built")


def hello(folder: Path, version: str = "1.26.7") -> Program:
    """Return a program of a Go module, with a Go on PATH."""
    put_on_path(folder / "module/cmd", "run", "exit")
    (folder / "module/cmd/one.yaml").write_text("one")
    put_on_path(folder / "bin", "go", GO.format(version=version, module=folder / "module"))
    (folder / "hello").mkdir(exist_ok=True)
    (folder / "hello/go.mod").write_text("module hello\n\nrequire (\n\texample.org/hello v1.2.3 // indirect\n)\n")
    (folder / "hello/go.sum").touch()
    return go_program(
        "hello",
        "example.org/hello",
        "cmd/hello",
        folder=folder / "hello",
        variables=("version=v{version}",),
        companions=("cmd/run", "cmd/*.yaml"),
    )


def test_go_program_has_its_version_and_companions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOS", "windows")
    program = hello(tmp_path).obtain()
    assert "-mod=readonly -trimpath -buildvcs=false -ldflags -s -w -X version=v1.2.3 -o" in program.read_text()
    assert program.read_text().endswith(" example.org/hello/cmd/hello GOOS=\n")
    assert os.access(program.with_name("run"), os.X_OK)
    assert program.with_name("one.yaml").read_text() == "one"


def test_go_program_in_a_folder_of_this_repository_is_rebuilt_after_a_change(tmp_path: Path) -> None:
    hello(tmp_path)
    (tmp_path / "hello/go.mod").write_text("module hello\n")
    paths = set()
    for text in ("package main", "package main // changed"):
        (tmp_path / "hello/main.go").write_text(text)
        paths.add(go_program("hello", "", folder=tmp_path / "hello").obtain())
    assert len(paths) == 2
    assert all(path.read_text().endswith(" . GOOS=\n") for path in paths)


def test_entry_depends_on_the_module_and_on_the_minor_release_of_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [hello(tmp_path / "a").entry()]
    for file in ("go.mod", "go.sum"):
        program = hello(tmp_path / "a")
        with (tmp_path / "a/hello" / file).open("a") as module:
            module.write("// changed\n")
        entries.append(program.entry())
    assert len(set(entries)) == 3
    versions = {}
    for version in ("1.26.7", "1.26.9", "1.27.0"):
        monkeypatch.setenv("PATH", str(tmp_path / version / "bin"))
        versions[version] = hello(tmp_path / version, version).entry().name
    assert versions["1.26.7"] == versions["1.26.9"] != versions["1.27.0"]


def server(content: str) -> Program:
    return jar("server", "org.example", "server", "1.0.0", hashlib.sha256(content.encode()).hexdigest())


def test_jar_is_downloaded_by_maven_and_verified(tmp_path: Path) -> None:
    put_on_path(tmp_path / "bin", "mvn", MAVEN)
    with pytest.raises(MissingProgramError, match=r"the jar's SHA-256 must be \w{64}, got \w{64}$"):
        server("other").obtain()
    assert server("jar\n").obtain().read_text() == "jar\n"


def test_jar_is_downloaded_without_maven_from_a_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    def install(requirement: str, into: Path) -> None:
        assert requirement.startswith("maven-artifact==")
        (into / "maven_artifact").mkdir()
        script = "import sys\nopen(sys.argv[-1], 'w').write(' '.join(sys.argv[1:-1]))\n"
        (into / "maven_artifact/main.py").write_text(script)

    monkeypatch.setattr(sources, "pip_install", install)
    monkeypatch.setenv("MVNW_REPOURL", "https://mirror.example")
    expected = "-m https://mirror.example org.example:server:jar:slim:1.0.0"
    assert server(expected).obtain().read_text() == expected


def plugin(pulumi: Program) -> Program:
    stand_in = Program("stand-in", "1.0.0", "stand-in", lambda version: (version,), write_stand_in)
    return pulumi_plugin("thing", "3.15.2", pulumi, PluginOfPulumi("3.15", "4.0"), stand_in)


def write_stand_in(_version: str, into: Path) -> None:
    (into / "stand-in").touch()


def test_official_plugin_is_installed_once_into_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    pulumi = thing(f"printf '#!/bin/sh\\n%s\\n' '{INSTALL}' > thing; chmod +x thing")
    assert plugin(pulumi).obtain().is_relative_to(cache)
    assert plugin(thing("exit 1")).obtain().is_relative_to(cache)


def test_stand_in_replaces_a_plugin_that_cannot_be_downloaded_for_a_day(tmp_path: Path) -> None:
    pulumi = thing(f"printf '#!/bin/sh\\necho >> {tmp_path}/attempts; exit 1\\n' > thing; chmod +x thing")
    log = log_of(plugin(pulumi).entry())
    assert [plugin(pulumi).obtain().name for _ in range(2)] == ["stand-in"] * 2
    assert (tmp_path / "attempts").read_text() == "\n"
    day_before = log.stat().st_mtime - SECONDS_BETWEEN_DOWNLOADS
    os.utime(log, (day_before, day_before))
    plugin(pulumi).obtain()
    assert (tmp_path / "attempts").read_text() == "\n\n"
