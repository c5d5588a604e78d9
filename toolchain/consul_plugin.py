"""The plugin for Pulumi's Consul resources: the official one if it is available, else the stand-in of the testbed."""

from pathlib import Path

from toolchain.programs import CONSUL_PLUGIN
from toolchain.programs import STAND_IN as STAND_IN_FILE

PLUGIN = CONSUL_PLUGIN.name
STAND_IN = STAND_IN_FILE.parent


def plugin_directory() -> Path:
    """Return the directory of the plugin in use, without a download."""
    return (CONSUL_PLUGIN.ready() or STAND_IN_FILE).parent
