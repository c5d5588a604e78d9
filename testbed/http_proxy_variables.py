"""HTTP proxy settings of the environment."""

from collections.abc import Mapping

from testbed.ports import LOOPBACK

_NAMES = ("no_proxy", "NO_PROXY")


def bypass_on_loopback(environment: Mapping[str, str]) -> dict[str, str]:
    """Build the variables that exclude 127.0.0.1 and localhost from proxying, in addition to existing exclusions.

    Both spellings have the same value because gRPC and Go prefer different ones.
    """
    listed = ",".join([*(environment.get(name, "") for name in _NAMES), LOOPBACK, "localhost"])
    hosts = dict.fromkeys(host.strip() for host in listed.split(",") if host.strip())
    return dict.fromkeys(_NAMES, ",".join(hosts))
