import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.ports import free_port
from testbed.processes import Programs
from testbed.pulumi import Project, stack_configuration

pytestmark = pytest.mark.mesh


def test_unreachable_http_proxy_is_bypassed_for_consul(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Programs() as programs:
        consul = Consul(programs)
        consul.wait_until_ready()
        project = Project(programs, CHECKOUT, stack_configuration("dev", consul.address, free_port()))
        assert "5 created" in project.up()
