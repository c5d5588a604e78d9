"""Namespaces and partitions of Consul Enterprise, emulated by a proxy before a community edition.

An entry outside of the default namespace and partition has a longer name: `web` becomes `web.east.shop`.
"""

import json
from urllib.parse import parse_qs, urlencode

from testbed.request_recorder import RequestRecorder


def emulate_enterprise(recorder: RequestRecorder) -> RequestRecorder:
    """Accept namespaces and partitions in the requests to the recorder."""
    recorder.translate = translated
    return recorder


def translated(path: str, body: bytes) -> tuple[str, bytes]:
    address, _, query = path.partition("?")
    given = {key: values[0] for key, values in parse_qs(query).items()}
    suffix = suffix_of(given.pop("partition", ""), given.pop("ns", ""))
    if body:
        entry = json.loads(body)
        suffix = suffix_of(entry.pop("Partition", ""), entry.pop("Namespace", ""))
        body = json.dumps({**entry, "Name": entry["Name"] + suffix}).encode()
    elif address.startswith("/v1/config/"):
        address += suffix
    return f"{address}?{urlencode(given)}", body


def suffix_of(partition: str, namespace: str) -> str:
    names = [name or "default" for name in (partition, namespace)]
    return "" if names == ["default", "default"] else f".{'.'.join(names)}"
