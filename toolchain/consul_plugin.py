"""The plugin for Pulumi's Consul resources: the official one if it is available, else the stand-in of the testbed."""

from pathlib import Path

from toolchain.programs import CONSUL_PLUGIN

PLUGIN = CONSUL_PLUGIN.name


def official_directory() -> Path | None:
    """Return the directory of the official plugin, or None if it is not available. It is not downloaded."""
    return CONSUL_PLUGIN.obtain().path.parent if CONSUL_PLUGIN.is_ready() else None


def stand_in_directory() -> Path:
    """Return the directory of the stand-in. It is built if it is missing."""
    return CONSUL_PLUGIN.stand_in.obtain().path.parent


def plugin_directory() -> Path:
    """Return the directory of the plugin in use."""
    return official_directory() or stand_in_directory()
