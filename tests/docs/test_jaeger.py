"""The configuration of Jaeger in the guide is that of the tests, with the default ports and on all addresses."""

import json

import yaml

from testbed.jaeger import settings
from testbed.ports import LOOPBACK
from tests.docs.pages import blocks


def test_configuration_of_jaeger_is_that_of_the_tests() -> None:
    shown = [yaml.safe_load(one.content) for one in blocks("docs/guides/otlp-and-stores.md") if one.language == "yaml"]
    tested = settings(query=16686, query_grpc=16685, otlp_grpc=4317, otlp_http=4318, zipkin=9411)
    assert json.loads(json.dumps(tested).replace(LOOPBACK, "0.0.0.0")) in shown  # noqa: S104 - an address in a page
