import pytest
import yaml

from testbed import CHECKOUT
from testbed.pulumi import stack_configuration


def test_stack_uses_the_consul_and_the_collector_of_the_run() -> None:
    configuration = stack_configuration("dev", "127.0.0.1:20001", 20002)
    mesh = configuration["consul-tracing:mesh"]
    assert configuration["consul:address"] == "127.0.0.1:20001"
    assert isinstance(mesh, dict)
    assert mesh["collector"] == {"host": "127.0.0.1", "port": 20002}


@pytest.mark.parametrize("key", ["sampling", "services"])
def test_other_settings_of_the_stack_are_unchanged(key: str) -> None:
    committed = yaml.safe_load((CHECKOUT / "stacks" / "Pulumi.dev.yaml").read_text())["config"]
    mesh = stack_configuration("dev", "127.0.0.1:20001", 20002)["consul-tracing:mesh"]
    assert isinstance(mesh, dict)
    assert mesh[key] == committed["consul-tracing:mesh"][key]
