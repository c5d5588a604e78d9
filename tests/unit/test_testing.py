"""The documented unit tests of users, and programs that subclass a component or use keyword arguments."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from consul_tracing import InvalidInputError, MeshTracing, ServiceProtocols
from consul_tracing.testing import Mocks
from tests.documents import code_blocks
from tests.unit.mocked_engine import Engine

COLLECTOR: Any = {"host": "zipkin.example.com"}
WEB: Any = {"web": {"protocol": "http"}}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    for name, text in zip(
        ("mesh.py", "test_mesh.py"), code_blocks("docs/guides/testing-your-program.md", "python"), strict=True
    ):
        (tmp_path / name).write_text(text)
    return tmp_path


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_documented_unit_tests_pass_twice_in_one_process(program: Path) -> None:
    (program / "test_again.py").write_text("from test_mesh import *\n")
    assert "4 passed" in run(program, "pytest", "-q", "-p", "no:cacheprovider")


def test_documented_program_has_types(program: Path) -> None:
    run(program, "mypy", "--strict", "--no-incremental", "--config-file=", "mesh.py")


def test_mocks_keep_fields_of_given_entries() -> None:
    foreign = {"Kind": "proxy-defaults", "Name": "global", "Config": {"local_connect_timeout_ms": 500}}
    mocks = Mocks([foreign], ["web"])
    engine = Engine()
    engine.call = mocks.call  # type: ignore[method-assign]
    engine.run(lambda: MeshTracing("mesh", collector=COLLECTOR, services=WEB, existing="adopt"))
    assert engine.entry("mesh-proxy-defaults")["Config"]["local_connect_timeout_ms"] == 500


def test_inputs_are_a_map_keywords_or_both(engine: Engine) -> None:
    def declare() -> None:
        MeshTracing("map", {"collector": COLLECTOR, "services": WEB, "partition": "a"})
        MeshTracing("keywords", collector=COLLECTOR, services=WEB, partition="b")
        MeshTracing("both", {"collector": COLLECTOR}, services=WEB, partition="c")
        ServiceProtocols("team", services={"api": {"protocol": "grpc"}})

    engine.run(declare)
    written = [engine.entry(f"{name}-service-web") for name in ("map", "keywords", "both")]
    assert [entry["Protocol"] for entry in written] == ["http"] * 3
    assert engine.entry("team-service-api")["Protocol"] == "grpc"


@pytest.mark.parametrize(
    ("args", "keywords", "reason"),
    [
        ({"collector": COLLECTOR}, {"collector": COLLECTOR}, "collector: is given twice: in args and as a keyword"),
        (
            None,
            {"collector": COLLECTOR, "sampeling": 1},
            'sampeling: is not an input of MeshTracing; did you mean "sampl',
        ),
        (None, {}, "collector: is required. Set collector, or zipkin_collector"),
        ("zipkin", {}, "args: must be a map"),
        ("zipkin", {"services": WEB}, "args: must be a map"),
    ],
)
def test_wrong_inputs_are_rejected(engine: Engine, args: Any, keywords: Any, reason: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        engine.run(lambda: MeshTracing("mesh", args, **keywords))
    assert reason in str(error.value)
