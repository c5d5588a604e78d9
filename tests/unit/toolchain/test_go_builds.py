import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.toolchain.scripted import Script, put_on_path
from toolchain import __main__ as command
from toolchain import sources
from toolchain.errors import MissingProgramError
from toolchain.go_caches import GIGABYTES_NEEDED, go_environment
from toolchain.on_path import NeverFromPath
from toolchain.programs import GO, PROGRAMS, find_program
from toolchain.provision import Program
from toolchain.sources import GoModule

HELLO = GoModule(
    "hello",
    module="example.org/hello",
    package="cmd/hello",
    go=GO,
    tags=("plain",),
    version_variable="example.org/hello/version.Version",
    variables=("example.org/hello/greeting.Text=hi",),
    companions=("cmd/hello-exec", "data/*.yaml"),
)

BUILT = [program for program in PROGRAMS if program.source.how == "built"]

# Prints the output of Go, and writes the arguments of a build into the program.
GO_SCRIPT = """#!/bin/sh
case "$1 $*" in
  version*) echo "go version go{version} linux/amd64" ;;
  env*) printf '%s\\n' "{caches}/modules" "{caches}/builds" ;;
  list*" -deps "*) printf 'a\\nb\\n' ;;
  list*" -m "*) echo "{module}" ;;
  build*) printf 'a\\nb\\n' >&2
    arguments="$*"
    while [ "$1" != -o ]; do shift; done
    echo "$arguments" > "$2" ;;
esac
"""


@pytest.fixture
def go_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of Go modules, with one for `hello`."""
    folder = tmp_path / "go"
    (folder / "hello").mkdir(parents=True)
    (folder / "hello/go.mod").write_text(
        "module toolchain/hello\n\nrequire (\n\texample.org/hello v1.2.3 // indirect\n)\n"
    )
    (folder / "hello/go.sum").write_text("example.org/hello v1.2.3 h1:abc=\n")
    monkeypatch.setattr(sources, "GO_MODULES", folder)
    monkeypatch.setenv("CONSUL_TRACING_CACHE", str(tmp_path / "cache"))
    return folder


def put_go_on_path(folder: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = folder / "module"
    for directory in ("cmd", "data"):
        (module / directory).mkdir(parents=True)
    (module / "cmd/hello-exec").write_text("#!/bin/sh\n")
    (module / "data/one.yaml").write_text("one")
    (module / "data/two.yaml").write_text("two")
    put_on_path(folder, "go").write_text(GO_SCRIPT.format(version=version, module=module, caches=folder))
    monkeypatch.setenv("PATH", str(folder))


def test_version_is_read_from_go_mod(go_modules: Path) -> None:
    assert HELLO.versions == ("1.2.3",)
    (go_modules / "hello/go.mod").write_text("module toolchain/hello\n\nrequire example.org/hello v2.0.0\n")
    assert HELLO.versions == ("2.0.0",)


@pytest.mark.parametrize("program", BUILT, ids=lambda program: program.name)
def test_every_program_has_a_module_with_its_version_and_hash(program: Program) -> None:
    source = program.source
    assert isinstance(source, GoModule)
    hashes = (sources.GO_MODULES / (source.folder or source.name) / "go.sum").read_text()
    assert f"{source.module} v{source.versions[0]} h1:" in hashes


def test_kubernetes_programs_have_one_version_and_report_it() -> None:
    sources_of = [find_program(name).source for name in ("kube-apiserver", "kubectl")]
    (version,) = {source.versions[0] for source in sources_of}
    for source in sources_of:
        assert isinstance(source, GoModule)
        major, minor, _ = version.split(".")
        assert [variable.partition("=")[2] for variable in source.variables] == [major, minor]


@pytest.mark.usefixtures("go_modules")
def test_build_is_stripped_and_stamped_and_includes_its_companions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_go_on_path(tmp_path / "bin", "1.26.1", monkeypatch)
    program = Program("hello", HELLO, GO.on_path).obtain()
    arguments = program.path.read_text()
    assert "-mod=readonly -trimpath -buildvcs=false -tags plain" in arguments
    variables = "-X example.org/hello/version.Version=v1.2.3 -X example.org/hello/greeting.Text=hi"
    assert f"-ldflags -s -w {variables} " in arguments
    assert arguments.endswith(" example.org/hello/cmd/hello\n")
    assert program.path.with_name("hello-exec").stat().st_mode & 0o111
    data = [program.path.with_name(file) for file in ("one.yaml", "two.yaml")]
    assert [file.read_text() for file in data] == ["one", "two"]
    assert not data[0].stat().st_mode & 0o111


@pytest.mark.usefixtures("go_modules")
def test_missing_companion_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_go_on_path(tmp_path / "bin", "1.26.1", monkeypatch)
    with pytest.raises(MissingProgramError, match=r"bin/module has no gone/\*\.yaml"):
        Program("hello", replace(HELLO, companions=("gone/*.yaml",)), GO.on_path).obtain()


@pytest.mark.usefixtures("go_modules")
def test_programs_can_share_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_go_on_path(tmp_path / "bin", "1.26.1", monkeypatch)
    other = GoModule("bye", module="example.org/hello", package="cmd/bye", folder="hello", go=GO)
    program = Program("bye", other, GO.on_path).obtain()
    assert program.version == "1.2.3"
    assert program.path.name == "bye"
    assert program.path.read_text().endswith(" example.org/hello/cmd/bye\n")


def test_main_package_in_this_repository_is_built_and_its_change_makes_another_entry(
    go_modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_go_on_path(tmp_path / "bin", "1.26.1", monkeypatch)
    own = replace(HELLO, package=None, companions=())
    (go_modules / "hello/main.go").write_text("package main\n")
    before = own.inputs("1.2.3")
    assert Program("hello", own, GO.on_path).obtain().path.read_text().endswith(" .\n")
    (go_modules / "hello/main.go").write_text("package main // changed\n")
    assert own.inputs("1.2.3") != before


@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_changed_module_makes_another_entry(
    file: str, go_modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_go_on_path(tmp_path / "bin", "1.26.1", monkeypatch)
    before = HELLO.inputs("1.2.3")
    with (go_modules / "hello" / file).open("a") as changed:
        changed.write("// changed\n")
    assert HELLO.inputs("1.2.3") != before


@pytest.mark.usefixtures("go_modules")
@pytest.mark.parametrize(("other", "same"), [("1.26.9", True), ("1.27.0", False)])
def test_minor_release_of_go_makes_another_entry_and_a_patch_release_does_not(
    other: str,
    same: bool,  # noqa: FBT001 - a row of the table above
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_go_on_path(tmp_path / "one", "1.26.1", monkeypatch)
    before = HELLO.inputs("1.2.3")
    put_go_on_path(tmp_path / "other", other, monkeypatch)
    assert (HELLO.inputs("1.2.3") == before) is same


@pytest.mark.usefixtures("go_modules")
def test_entry_without_go_is_the_entry_of_the_fetched_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_go_on_path(tmp_path / "bin", GO.source.versions[0], monkeypatch)
    with_it = HELLO.inputs("1.2.3")
    monkeypatch.setenv("PATH", "/nowhere")
    assert HELLO.inputs("1.2.3") == with_it


def test_build_does_not_depend_on_the_go_settings_of_the_caller() -> None:
    settings = {"GOFLAGS": "-mod=mod", "GOOS": "windows", "GOWORK": "/w", "GOTOOLCHAIN": "auto"}
    environment = {**settings, **go_environment()}
    assert {name: environment[name] for name in settings} == {
        "GOFLAGS": "-mod=readonly",
        "GOOS": "",
        "GOWORK": "off",
        "GOTOOLCHAIN": "local",
    }


def test_build_inherits_the_go_proxy_and_caches_of_the_caller() -> None:
    assert not go_environment().keys() & {"GOPROXY", "GONOSUMDB", "GOMODCACHE", "GOCACHE"}


@pytest.mark.usefixtures("go_modules")
def test_build_without_disk_space_is_rejected_with_the_go_caches_and_the_required_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_go_on_path(tmp_path / "bin", "1.26.1", monkeypatch)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1_250_000_000))
    with pytest.raises(MissingProgramError) as missing:
        Program("hello", HELLO, GO.on_path).obtain()
    headline, reason = str(missing.value).splitlines()
    assert headline == "toolchain: hello 1.2.3 could not be built"
    assert reason == (
        f"  GOMODCACHE ({tmp_path}/bin/modules) has 1.2 GB of free disk space; a build requires {GIGABYTES_NEEDED} GB. "
        "Set GOMODCACHE to a directory on another disk, or run: python -m toolchain prune"
    )


@pytest.mark.usefixtures("go_modules")
def test_build_without_disk_space_for_temporary_files_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_go_on_path(tmp_path / "bin", "1.26.1", monkeypatch)
    usage = shutil.disk_usage
    of_caches = (tmp_path / "bin/modules", tmp_path / "bin/builds")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(path) if path in of_caches else SimpleNamespace(free=0))
    with pytest.raises(
        MissingProgramError, match=r"built\n  TMPDIR \(.*\) has 0\.0 GB of free disk space; a build requires"
    ):
        Program("hello", HELLO, GO.on_path).obtain()


@pytest.mark.usefixtures("go_modules")
def test_go_cache_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_go_on_path(tmp_path / "bin", "1.26.1", monkeypatch)
    (tmp_path / "bin/builds").write_text("a file, not a folder")
    with pytest.raises(
        MissingProgramError, match=r"built\n  GOCACHE cannot be written: .*bin/builds'\. Set HOME, or .*$"
    ):
        Program("hello", HELLO, GO.on_path).obtain()


@pytest.mark.usefixtures("go_modules")
def test_missing_directory_for_the_go_caches_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_go_on_path(tmp_path / "bin", "1.26.1", monkeypatch)
    go = tmp_path / "bin/go"
    go.write_text(go.read_text().replace("env*)", "env*) exit 1 ;; unused)"))
    with pytest.raises(MissingProgramError, match=r"built\n  Go has no directory for its caches\. Set HOME, or .*$"):
        Program("hello", HELLO, GO.on_path).obtain()


@pytest.mark.usefixtures("go_modules")
def test_unsupported_go_is_reported_as_skipped_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_go_on_path(tmp_path / "new", "1.26.1", monkeypatch)
    put_go_on_path(tmp_path / "old", "1.19.8", monkeypatch)
    go = replace(GO, source=Script(f'cp {tmp_path}/new/go "$into/go"', executable=Path("go")))
    monkeypatch.setattr(command, "GO", go)
    monkeypatch.setattr(command, "MESH", [Program("hello", replace(HELLO, go=go), NeverFromPath())])
    assert command.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("go 1.0.0: built, ")
    assert lines[2] == f"  not used from PATH: {tmp_path}/old/go is 1.19.8, must be 1.26 or newer and before 2.0"
    assert lines[4].startswith("hello 1.2.3: built, ")
