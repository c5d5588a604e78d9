"""Addresses of the pages of traces."""

import pytest

from consul_tracing.cli.verify.store import StoreOptions, store_of

ID = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("store", "page"),
    [
        ("zipkin=http://zipkin:9411", f"http://zipkin:9411/zipkin/traces/{ID}"),
        ("zipkin=https://user:secret@traces.example.com/zipkin/", f"https://traces.example.com/zipkin/traces/{ID}"),
        ("jaeger=jaeger", f"http://jaeger:16686/trace/{ID}"),
        ("jaeger=https://traces.example.com/jaeger/search?limit=20", f"https://traces.example.com/jaeger/trace/{ID}"),
        ("tempo=tempo", ""),
    ],
)
def test_page_of_a_trace(store: str, page: str) -> None:
    assert store_of(StoreOptions(store=store)).page(ID) == page
