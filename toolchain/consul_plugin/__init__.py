"""The stand-in for `pulumi-resource-consul` 3.15.2: Pulumi's Consul plugin, for config entries and nothing else.

The official plugin cannot be had from package registries. This one serves `ConfigEntry` and `getConfigEntry` against a
real Consul and behaves as the official one does, its unconditional writes included. See README.md beside this file.

The modules import each other relatively: the executable runs them without the rest of `toolchain`.
"""

PLUGIN_VERSION = "3.15.2"
"""The official version whose behaviour is copied, told to Pulumi as ours."""
