"""docs/reference/compatibility.md: its versions are those that the tests run, and its inputs require them."""

import re
from typing import Any

import pytest

from consul_tracing.errors import InputError
from generate.reference.compatibility import FEATURES
from testbed import CHECKOUT
from tests.unit.meshes import settings
from toolchain.programs import ENVOY, TESTED_ENVOYS

VERSION = re.compile(r'"(1\.\d\d\.\d+)"')


def test_tested_versions_of_envoy_are_those_of_the_tests() -> None:
    files = (CHECKOUT / "tests" / "mesh").glob("*.py")
    assert {one for file in files for one in VERSION.findall(file.read_text())} == set(TESTED_ENVOYS)
    assert ENVOY.version in TESTED_ENVOYS


INPUTS: dict[str, dict[str, Any]] = {
    "propagation": {"tracer": {"zipkin": {"propagation": "b3+w3c"}}},
    "zipkin.headers": {"tracer": {"zipkin": {"headers": {"x-scope-orgid": "shop"}}}},
    "auth": {"collector": {"host": "zipkin", "auth": {"file": "/etc/token"}}},
    "max_cache_size": {"tracer": {"opentelemetry": {"max_cache_size": 10}}},
}


@pytest.mark.parametrize("name", INPUTS)
def test_input_requires_its_version(name: str) -> None:
    ((major, minor),) = (since for feature, since in FEATURES.items() if name in feature)
    settings(**INPUTS[name], envoy_version=f"{major}.{minor}")
    with pytest.raises(InputError, match=f"Envoy {major}.{minor}"):
        settings(**INPUTS[name], envoy_version=f"{major}.{minor - 1}")
