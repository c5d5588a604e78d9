import pytest

from testbed.http_proxy_variables import bypass_on_loopback
from testbed.processes import Programs


@pytest.mark.parametrize(
    ("environment", "hosts"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"no_proxy": ".example.com, 10.0.0.0/8"}, ".example.com,10.0.0.0/8,127.0.0.1,localhost"),
        ({"NO_PROXY": ".example.com"}, ".example.com,127.0.0.1,localhost"),
        ({"no_proxy": "a", "NO_PROXY": "b"}, "a,b,127.0.0.1,localhost"),
        ({"no_proxy": "localhost,127.0.0.1"}, "localhost,127.0.0.1"),
    ],
)
def test_loopback_is_added_to_the_hosts_without_a_proxy(environment: dict[str, str], hosts: str) -> None:
    assert bypass_on_loopback(environment) == {"no_proxy": hosts, "NO_PROXY": hosts}


def test_programs_keep_the_proxy_of_the_user_and_bypass_it_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
    monkeypatch.setenv("no_proxy", ".example.com")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with Programs() as programs:
        environment = programs.run("env", ["env"]).splitlines()
    assert "https_proxy=http://proxy.example.com:3128" in environment
    assert "NO_PROXY=.example.com,127.0.0.1,localhost" in environment
