"""The checks of static clusters, compared with real Envoys."""

import json
from typing import Any

import pytest

import toolchain
from testbed.processes import ProgramFailedError, Programs
from tests.unit.inputs.test_static_clusters import INVALID, LENIENT, NEWER, NOT_STARTED, VALID

pytestmark = [pytest.mark.mesh, pytest.mark.slow]


def validate(programs: Programs, cluster: dict[str, Any], version: str) -> None:
    """Validate a bootstrap with the cluster. Raises ProgramFailedError with the error of Envoy."""
    file = programs.make_directory("cluster") / "bootstrap.json"
    file.write_text(json.dumps({"static_resources": {"clusters": [cluster]}}))
    programs.run(f"envoy {version}", [toolchain.program("envoy", version), "--mode", "validate", "-c", file])


@pytest.mark.parametrize("version", ["1.36.4", "1.40.0"])
@pytest.mark.parametrize("valid", [one for one in [*VALID, *LENIENT[:-1]] if "trusted_ca" not in json.dumps(one)])
def test_envoy_starts_with_an_accepted_cluster(programs: Programs, valid: dict[str, Any], version: str) -> None:
    validate(programs, valid, version)


@pytest.mark.parametrize("version", ["1.36.4", "1.40.0"])
@pytest.mark.parametrize("invalid", [*INVALID, *NOT_STARTED])
def test_envoy_does_not_start_with_a_rejected_cluster(
    programs: Programs, invalid: dict[str, Any], version: str
) -> None:
    with pytest.raises(ProgramFailedError):
        validate(programs, invalid, version)


@pytest.mark.parametrize("newer", [newer for newer, version in NEWER if version == "1.37"])
def test_envoy_before_1_37_does_not_have_a_newer_field(programs: Programs, newer: dict[str, Any]) -> None:
    with pytest.raises(ProgramFailedError) as error:
        validate(programs, newer, "1.36.4")
    assert "no such field" in " ".join(error.value.output.split())
    try:
        validate(programs, newer, "1.37.0")
    except ProgramFailedError as other:
        assert "no such field" not in " ".join(other.output.split())
