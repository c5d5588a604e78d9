"""The filter with which a proxy adds a credential from a file to its requests to the collector.

It is Envoy's Lua filter and not `credential_injector`: Envoy does not start if the file of that one's secret is
missing, and a mesh must not depend on the credential of its collector.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from .json_values import at, listed
from .messages import HTTP_PROTOCOL_OPTIONS

if TYPE_CHECKING:
    from consul_tracing.names import JsonObject

STAT_PREFIX = "credential"

ERRORS = rf"(cluster\..*)?lua\.{STAT_PREFIX}\.errors"
"""The counter of failed reads, within the statistics of the cluster. Envoy before 1.40 repeats the cluster in it."""

READ = """\
local value, read_at = nil, 0
function envoy_on_request(request)
  local now, problem = os.time(), nil
  if now < read_at or now >= read_at + 2 then
    read_at = now
    local file, reason = io.open(path)
    local text = file and file:read(8192)
    if file then file:close() end
    local found = text and text:match("^%s*([!-~][ -~]-)%s*$")
    if not found then problem = reason or path .. " is not one line of ASCII text" end
    value = found or value
  end
  if value then request:headers():replace(header, value) end
  if problem then error("the credential of the collector cannot be read: " .. problem) end
end
"""
"""Reads the file at most every two seconds. The former value remains in use while the file cannot be read.

Envoy logs and counts an error of the script, and sends the request.
"""

NAMES = re.compile(r'local header, path = ("[^"\\]*"), ("(?:[^"\\]|\\.)*")\n')


class Credential(NamedTuple):
    """A credential of the collector."""

    header: str
    file: str
    """The file on the hosts of the proxies with the value of the header."""


def credential_filter(credential: Credential) -> JsonObject:
    """Build the filter. Text in Lua has the escapes of JSON for quotes and backslashes."""
    header, path = (json.dumps(text, ensure_ascii=False) for text in credential)
    return {
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "stat_prefix": STAT_PREFIX,
            "default_source_code": {"inline_string": f"local header, path = {header}, {path}\n{READ}"},
        },
    }


def credential_of(cluster: object) -> Credential | None:
    """Return the credential that a cluster adds. None without the filter."""
    options = at(cluster, "typed_extension_protocol_options", HTTP_PROTOCOL_OPTIONS)
    for one in listed(at(options, "http_filters")):
        script = at(one, "typed_config", "default_source_code", "inline_string")
        if isinstance(script, str) and (names := NAMES.match(script)):
            return Credential(*map(json.loads, names.groups()))
    return None
