"""The plugin for Pulumi's Consul resources: the official one if it is available, else the stand-in of the testbed."""

from pathlib import Path

from toolchain.programs import CONSUL_PLUGIN, STAND_IN

PLUGIN = CONSUL_PLUGIN.name


def official_directory() -> Path | None:
    """Return the directory of the official plugin, or None if it is not available. It is not downloaded."""
    path = CONSUL_PLUGIN.ready()
    return path.parent if path else None


def stand_in_directory() -> Path:
    """Return the directory of the stand-in. It is built if it is missing."""
    return STAND_IN.obtain().parent


def plugin_directory() -> Path:
    """Return the directory of the plugin in use, without a download of the official one."""
    return official_directory() or stand_in_directory()
