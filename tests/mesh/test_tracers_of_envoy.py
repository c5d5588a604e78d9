"""The checks of tracers, compared with real Envoys."""

import json
import signal
from typing import Any

import pytest

import toolchain
from consul_tracing.names import COLLECTOR_CLUSTER
from testbed.processes import ProgramFailedError, Programs
from tests.unit.inputs.test_static_clusters import dns, http2
from tests.unit.inputs.test_tracers import CRASHES, INVALID_DAEMONS, VALID_DAEMONS, listener, manager
from tests.unit.test_envoy_messages import INVALID_TRACERS, VALID_TRACERS

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

VERSIONS = ["1.36.4", "1.37.0", "1.40.0"]


def validate(programs: Programs, provider: dict[str, Any], version: str) -> None:
    """Validate a bootstrap with the tracer in its listener. Raises ProgramFailedError with the error of Envoy."""
    file = programs.make_directory("tracer") / "bootstrap.json"
    listeners = [listener(manager(tracing={"provider": provider}))]
    collector = {**http2({}), **dns(1), "name": COLLECTOR_CLUSTER}
    file.write_text(json.dumps({"static_resources": {"listeners": listeners, "clusters": [collector]}}))
    programs.run(f"envoy {version}", [toolchain.program("envoy", version), "--mode", "validate", "-c", file])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("provider", [*VALID_DAEMONS, *VALID_TRACERS])
def test_envoy_starts_with_an_accepted_tracer(programs: Programs, provider: dict[str, Any], version: str) -> None:
    validate(programs, provider, version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("provider", [provider for provider, _ in [*INVALID_DAEMONS, *INVALID_TRACERS]])
def test_envoy_rejects_a_rejected_tracer(programs: Programs, provider: dict[str, Any], version: str) -> None:
    with pytest.raises(ProgramFailedError) as error:
        validate(programs, provider, version)
    assert error.value.exit_code == 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("provider", [provider for provider, _ in CRASHES])
def test_envoy_crashes_at_another_address_of_the_daemon(
    programs: Programs, provider: dict[str, Any], version: str
) -> None:
    with pytest.raises(ProgramFailedError) as error:
        validate(programs, provider, version)
    assert error.value.exit_code == -signal.SIGSEGV
