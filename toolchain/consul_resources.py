"""Which plugin serves Pulumi's Consul resources: the official one where it is installed, else the testbed's stand-in.

The official plugin comes from a server of its own, not from a package registry, so it may be impossible to get.
"""

from pathlib import Path

from toolchain.on_path import PluginRule

PLUGIN = "pulumi-resource-consul"
OFFICIAL = PluginRule("consul", major=3)
STAND_IN = Path(__file__).parent.parent / "testbed" / "consul_stand_in"


def plugin_directory() -> Path:
    """Return the directory that holds the `pulumi-resource-consul` to use."""
    found = OFFICIAL.look(PLUGIN)
    # PATH may hold the stand-in, put there by an earlier `search_path`.
    if found is None or found.path.resolve().parent == STAND_IN.resolve():
        return STAND_IN
    return found.path.parent
