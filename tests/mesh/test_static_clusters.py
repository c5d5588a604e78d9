"""The checks of static clusters, compared with real Envoys."""

import json
from typing import Any

import pytest

import toolchain
from testbed.processes import ProgramFailedError, Programs
from tests.unit.inputs.test_static_clusters import INVALID, LENIENT, NOT_STARTED, VALID

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
@pytest.mark.parametrize("invalid", [invalid for invalid, _ in [*INVALID, *NOT_STARTED]])
def test_envoy_does_not_start_with_a_rejected_cluster(
    programs: Programs, invalid: dict[str, Any], version: str
) -> None:
    with pytest.raises(ProgramFailedError):
        validate(programs, invalid, version)
