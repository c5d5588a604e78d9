"""The plugin for Pulumi's Consul resources: the official one if it is available, else the stand-in of the testbed."""

from pathlib import Path

from toolchain.programs import CONSUL_PLUGIN

PLUGIN = CONSUL_PLUGIN.name
STAND_IN = CONSUL_PLUGIN.stand_in.parent


def plugin_directory() -> Path:
    """Return the directory of the plugin in use, without a download."""
    return CONSUL_PLUGIN.path_if_ready().parent
