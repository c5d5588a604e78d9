from typing import Any

import pytest

from consul_tracing import Refused
from consul_tracing.ownership import refuse_missing_cluster


def live(clusters: str) -> dict[str, Any]:
    return {"Config": {"envoy_extra_static_clusters_json": clusters}}


@pytest.mark.parametrize(
    "entry", [None, {}, {"Config": None}, live(""), live('{"name":"statsd"}'), live("{"), live('"tracing_collector"')]
)
def test_skip_is_refused_while_proxies_cannot_have_the_cluster(entry: dict[str, Any] | None) -> None:
    with pytest.raises(Refused, match='1. pulumi up with gateways: "join"\n.*2. restart every proxy'):
        refuse_missing_cluster(entry)


def test_skip_is_allowed_once_the_live_entry_holds_the_cluster() -> None:
    refuse_missing_cluster(live('{"name":"statsd"},{"name":"tracing_collector"}'))
