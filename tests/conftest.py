"""What all tests share."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.processes import Programs
from testbed.proxies import bypass_on_loopback

# gRPC and Kubernetes clients in the tests themselves.
os.environ.update(bypass_on_loopback(os.environ))

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files anew; read the diff before you commit it"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With pytest-xdist one worker has the shared mesh, and one the cluster."""
    for item in items:
        if "traced" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("shared mesh"))
        elif item.path.parent.name == "kubernetes":
            item.add_marker(pytest.mark.xdist_group("cluster"))


@pytest.fixture(scope="session")
def programs() -> Iterator[Programs]:
    with Programs() as running:
        yield running


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, Any], None]:
    """Holds a value against the file of that name under tests/golden, as JSON that people can read."""

    def check(name: str, value: Any) -> None:
        file = GOLDEN / f"{name}.json"
        text = json.dumps(value, indent=2, sort_keys=True) + "\n"
        if request.config.getoption("--update-golden"):
            file.write_text(text)
        assert text == file.read_text(), f"{file.name} differs; if that is meant: pytest --update-golden"

    return check
