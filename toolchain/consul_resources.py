"""Which plugin serves Pulumi's Consul resources: the official one where it can be had, else the testbed's stand-in.

The official plugin comes from Pulumi's own server, not from a package registry, so it may be out of reach.
"""

from pathlib import Path

from toolchain.programs import CONSUL_PLUGIN

PLUGIN = CONSUL_PLUGIN.name
STAND_IN = CONSUL_PLUGIN.stand_in.parent


def plugin_directory() -> Path:
    """Return the directory of the plugin in use, without downloading one."""
    return CONSUL_PLUGIN.path_if_ready().parent
