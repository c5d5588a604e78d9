"""Fields of the supported config entries, as the official plugin declares them.

The plugin is built with Consul's Go package `api` v1.32.1. It lacks a field of Consul 1.22: `MaxRequestHeadersKB` of
service-defaults.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consul_tracing import entry_structs
    from consul_tracing.entry_structs import FreeForm, ListOf, MapOf, PointerTo, Scalar, Shape, Struct
else:
    # The file alone: an import of the package imports Pulumi, which takes longer than everything else here.
    _file = Path(__file__).parents[2] / "components" / "consul_tracing" / "entry_structs.py"
    _spec = spec_from_file_location("entry_structs", _file)
    entry_structs = sys.modules["entry_structs"] = module_from_spec(_spec)
    _spec.loader.exec_module(entry_structs)
    FreeForm, ListOf, MapOf = entry_structs.FreeForm, entry_structs.ListOf, entry_structs.MapOf
    PointerTo, Scalar, Struct, Shape = (
        entry_structs.PointerTo,
        entry_structs.Scalar,
        entry_structs.Struct,
        entry_structs.Shape,
    )

__all__ = ["ENTRY_STRUCTS", "FreeForm", "ListOf", "MapOf", "PointerTo", "Scalar", "Shape", "Struct"]


def _without(struct: Struct, name: str) -> Struct:
    return replace(struct, fields={key: shape for key, shape in struct.fields.items() if key != name})


ENTRY_STRUCTS: Mapping[str, Struct] = {
    kind: _without(struct, "MaxRequestHeadersKB") for kind, struct in entry_structs.ENTRY_STRUCTS.items()
}
"""The supported kinds. `config_json` does not contain Kind, Name, Namespace, Partition and the indexes."""
