import pytest

from testbed.http_proxy_variables import bypass_on_loopback


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
