"""HTTP proxies of the environment, which do not reach this machine's loopback interface."""

from collections.abc import Mapping

from testbed.ports import LOOPBACK

_NAMES = ("no_proxy", "NO_PROXY")


def bypass_on_loopback(environment: Mapping[str, str]) -> dict[str, str]:
    """Build the variables that add 127.0.0.1 and localhost to the hosts that `environment` excludes from proxying.

    Both spellings get the same value: gRPC prefers one, Go the other, and by default only Go bypasses loopback.
    """
    listed = ",".join([*(environment.get(name, "") for name in _NAMES), LOOPBACK, "localhost"])
    hosts = dict.fromkeys(host.strip() for host in listed.split(",") if host.strip())
    return dict.fromkeys(_NAMES, ",".join(hosts))
