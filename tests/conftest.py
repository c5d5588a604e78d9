"""Options and fixtures of all tests."""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from consul_tracing.codes import DOCUMENTATION
from testbed.http_proxy_variables import bypass_on_loopback
from testbed.processes import Programs

# For the gRPC and Kubernetes clients in the test process.
os.environ.update(bypass_on_loopback(os.environ))

# The same examples in every run, so that a run does not fail by chance. `make test-explore` searches for new ones.
# Mesh tests import unit tests, whose settings are those of the import. A busy machine would exceed the default deadline
# of 200 ms per example, and the time for the generation of examples.
BUSY = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("fixed", derandomize=True, database=None, **BUSY)
hypothesis.settings.register_profile("explore", max_examples=2_000, print_blob=True, **BUSY)
hypothesis.settings.load_profile("explore" if os.environ.get("CONSUL_TRACING_EXPLORE") else "fixed")

GOLDEN = Path(__file__).parent / "golden"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Assign tests of the shared mesh to one pytest-xdist worker."""
    for item in items:
        if "traced" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("shared mesh"))


@pytest.fixture(scope="session")
def programs() -> Iterator[Programs]:
    with Programs() as running:
        yield running


ADDRESS = re.compile(rf"\\n  {re.escape(DOCUMENTATION)}[\w/]+#ct\d{{3}}")
"""The last line of a message, in JSON."""


@pytest.fixture
def golden() -> Callable[[str, Any], None]:
    """Return a function that compares a value with the JSON file of a given name in tests/golden.

    The files have no addresses of codes: test_message_texts has the last line of each message.
    """

    def check(name: str, value: Any) -> None:
        file = GOLDEN / f"{name}.json"
        text = ADDRESS.sub("", json.dumps(value, indent=2, sort_keys=True) + "\n")
        if os.environ.get("CONSUL_TRACING_UPDATE_GOLDEN"):
            file.write_text(text)
        assert text == file.read_text(), (
            f"{file.name} differs; to accept the change, set CONSUL_TRACING_UPDATE_GOLDEN=1"
        )

    return check
