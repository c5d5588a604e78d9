"""Stand-in for `pulumi-resource-consul` 3.15.2, Pulumi's Consul plugin, limited to config entries.

The official plugin is not published to package registries. See README.md for the supported scope and the differences.

The modules use relative imports because the executable runs them without the rest of the testbed.
"""

PLUGIN_VERSION = "3.15.2"
"""Official version whose behaviour is reproduced. Reported to Pulumi as the version of this plugin."""

SCOPE = "ConfigEntry, getConfigEntry and getServices only"

INTRODUCTION = f"consul-tracing stand-in for pulumi-resource-consul {PLUGIN_VERSION}: {SCOPE}"
"""Line that every plugin process logs when it starts."""


class PluginError(Exception):
    """A request cannot be served. Pulumi shows the text to the user."""
