"""The filter with which a proxy adds a credential from a file to its requests to the collector.

It is Envoy's Lua filter and not `credential_injector`: Envoy does not start if the file of that one's secret is
missing, and a mesh must not depend on the credential of its collector.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from consul_tracing.names import COLLECTOR_CLUSTER

from .json_values import at, listed
from .messages import HTTP_PROTOCOL_OPTIONS

if TYPE_CHECKING:
    from consul_tracing.names import JsonObject

STAT_PREFIX = "credential"

ERRORS = rf"(cluster\..*)?lua\.{STAT_PREFIX}\.errors"
"""The counter of failed reads, within the statistics of the cluster. Envoy before 1.40 repeats the cluster in it."""

READ = r"""
local value, read_at = nil, 0
local function contents(name)
  local file, reason = io.open(name)
  local text = file and file:read(8193)
  if file then file:close() end
  if text and #text > 8192 then text, reason = nil, name .. " is longer than 8192 bytes" end
  return text, reason
end
local function field(text, name)
  local line = text:match(name .. "[\"']?%s*:[ \t]*([^\r\n]*)") or ""
  local quote = line:match("^[\"']")
  if not quote then return not line:find("^[|>&*!%[]") and not line:find("[{}#]") and line end
  local value, after = line:match("^.([^\\" .. quote .. "]*)" .. quote .. "(.?)")
  return value and (after == "" or after:find("[ ,}]")) and value
end
local function credential()
  local text, reason = contents(path)
  if text and text:find("generic_?[sS]ecret") then
    local named = field(text, "filename")
    if named and named ~= "" then text, reason = contents(named) else text = field(text, "inline_?[sS]tring") end
  end
  local found = text and text:match("^%s*([!-~][ -~]-)%s*$")
  return found, reason or path .. " has no value in one line of ASCII text"
end
function envoy_on_request(request)
  local now, found, problem = os.time(), nil, nil
  if now < read_at or now >= read_at + 2 then
    read_at = now
    found, problem = credential()
    value = found or value
    if found then problem = nil end
  end
  if value then request:headers():replace(header, value) end
  if problem then error("the credential of the collector cannot be read: " .. problem) end
end
"""
"""Reads the file at most every two seconds. The former value remains in use while the file cannot be read.

The file is a generic secret of Envoy's SDS, in JSON or YAML, or only the value of the header. A scalar of a form that
the script does not read, such as one with escapes, is no value. Envoy logs and counts an error of the script, and sends
the request.
"""

NAMES = re.compile(r'local header, path = ("[^"\\]*"), ("(?:[^"\\]|\\.)*")\n')


class Credential(NamedTuple):
    """A credential of the collector."""

    header: str
    file: str
    """The file on the hosts of the proxies: an SDS file, or the value of the header."""


def credential_filter(credential: Credential) -> JsonObject:
    """Build the filter. Text in Lua has the escapes of JSON for quotes and backslashes."""
    header, path = (json.dumps(text, ensure_ascii=False) for text in credential)
    return {
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "stat_prefix": STAT_PREFIX,
            "default_source_code": {"inline_string": f"local header, path = {header}, {path}{READ}"},
        },
    }


def credential_of(cluster: object) -> Credential | None:
    """Return the credential that a cluster adds. None without the filter."""
    options = at(cluster, "typed_extension_protocol_options", HTTP_PROTOCOL_OPTIONS)
    for one in listed(at(options, "http_filters")):
        script = at(one, "typed_config", "default_source_code", "inline_string")
        if isinstance(script, str) and (names := NAMES.match(script)):
            with suppress(ValueError):
                return Credential(*map(json.loads, names.groups()))
    return None


def secret_file(value: str) -> JsonObject:
    """Build the content of an SDS file with the value of the header."""
    secret = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": COLLECTOR_CLUSTER,
        "generic_secret": {"secret": {"inline_string": value}},
    }
    return {"resources": [secret]}
