"""SDKs that Pulumi generates from the schema, and the examples that use them.

The generators of `pulumi package gen-sdk` are in the language hosts for Node and Go, which the toolchain does not have.
Without them, gen_sdk/main.go calls the same generators in Pulumi's Go module.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import toolchain
from testbed import CHECKOUT

pytestmark = pytest.mark.slow

EXAMPLES = CHECKOUT / "examples"
SCHEMA = CHECKOUT / "tests" / "golden" / "schema.json"
GO_SDK = "example.com/pulumi-consul-tracing/sdk/go/consultracing"
SECONDS = 1200
NPM_PACKAGES = ("@pulumi/pulumi@3.253.0", "typescript@5", "@types/node@20")
Generate = Callable[[str, Path], Path]


def run(*command: str | Path, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def succeed(*command: str | Path, directory: Path, **environment: str) -> None:
    finished = run(*command, directory=directory, **environment)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def require(program: str) -> str:
    """Return the path of a program, or skip the test."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not on PATH")
    return found


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Return a function that builds gen_sdk once, with the modules of the toolchain's Pulumi."""
    directory = tmp_path_factory.mktemp("gen_sdk")

    def build() -> Path:
        built = directory / "gen-sdk"
        if not built.exists():
            go = require("go")
            shutil.copy(Path(__file__).parent / "gen_sdk" / "main.go", directory)
            for file in ("go.mod", "go.sum"):
                shutil.copy(CHECKOUT / "toolchain" / "go" / "pulumi" / file, directory)
            finished = run(go, "build", "-mod=mod", "-o", built, ".", directory=directory, CGO_ENABLED="0")
            if finished.returncode != 0:
                pytest.skip(f"gen_sdk cannot be built, its Go modules may not be available: {finished.stderr[-500:]}")
        return built

    return build


@pytest.fixture(scope="module")
def generate(generator: Callable[[], Path]) -> Generate:
    """Return a function that generates the SDK of a language in a directory."""

    def generated(language: str, directory: Path) -> Path:
        command = ["package", "gen-sdk", str(SCHEMA), "--language", language, "--out", str(directory)]
        try:
            finished = run(toolchain.program("pulumi"), *command, directory=directory, PULUMI_HOME=str(directory))
        except toolchain.MissingProgramError as error:
            pytest.skip(str(error))
        if finished.returncode != 0:
            assert f"no language plugin 'pulumi-language-{language}'" in finished.stderr
            succeed(generator(), SCHEMA, language, directory / language, directory=directory)
        return directory / language

    return generated


@pytest.fixture(scope="module")
def typescript(generate: Generate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the generated SDK and the compiler in node_modules."""
    npm, directory = require("npm"), tmp_path_factory.mktemp("typescript")
    (directory / "package.json").write_text('{"private": true}')
    options = ("--no-audit", "--no-fund", "--ignore-scripts")
    installed = run(npm, "install", *options, *NPM_PACKAGES, directory=directory)
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install {', '.join(NPM_PACKAGES)}: {installed.stderr[-500:]}")
    sdk = generate("nodejs", directory)
    succeed(tsc(directory), "-p", sdk, "--outDir", sdk / "bin", directory=directory)
    shutil.move(sdk, directory / "node_modules" / "@pulumi" / "consul-tracing")
    return directory


def tsc(directory: Path) -> Path:
    return directory / "node_modules" / ".bin" / "tsc"


def test_typescript_example_is_type_checked(typescript: Path) -> None:
    program = shutil.copytree(EXAMPLES / "typescript", typescript / "program")
    succeed(tsc(typescript), "-p", program, directory=typescript)
    source = program / "index.ts"
    for valid, invalid in (
        ("connectTimeoutMs", "connect_timeout_ms"),
        ('"grpc"', "50051"),
        ("mesh.services", "mesh.x"),
    ):
        source.write_text((EXAMPLES / "typescript" / "index.ts").read_text().replace(valid, invalid))
        assert run(tsc(typescript), "-p", program, directory=typescript).returncode != 0, invalid


def test_go_example_compiles(generate: Generate, tmp_path: Path) -> None:
    go = require("go")
    sdk = next(generate("go", tmp_path).glob("*/meshTracing.go")).parent
    sums = CHECKOUT / "toolchain" / "go" / "pulumi" / "go.sum"
    program = shutil.copytree(EXAMPLES / "go", tmp_path / "program")
    (sdk / "go.mod").write_text((program / "go.mod").read_text().replace("module mesh", f"module {GO_SDK}"))
    shutil.copy(sums, program)
    succeed(go, "mod", "edit", f"-require={GO_SDK}@v0.0.0", f"-replace={GO_SDK}={sdk}", directory=program)
    succeed(go, "vet", "-mod=mod", ".", directory=program)
