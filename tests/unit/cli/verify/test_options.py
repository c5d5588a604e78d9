"""The plan of a run, from the options."""

import pytest

from consul_tracing.cli.verify.options import plan_of
from consul_tracing.cli.verify.store import StoreOptions
from consul_tracing.sources import proxies
from consul_tracing.sources.proxies import Selection, Targets

STORE = StoreOptions(zipkin="http://zipkin:9411")


@pytest.mark.parametrize(("given", "expected"), [(None, "127.0.0.1:8500"), ("consul:8500", "consul:8500")])
def test_agent_that_is_read_is_also_compared(monkeypatch: pytest.MonkeyPatch, given: str | None, expected: str) -> None:
    monkeypatch.delenv("CONSUL_HTTP_ADDR", raising=False)
    if given:
        monkeypatch.setenv("CONSUL_HTTP_ADDR", given)
    monkeypatch.setattr(proxies, "find_targets", lambda *_: Targets())
    assert plan_of("http://web", STORE, Selection(agent=True)).environment["CONSUL_HTTP_ADDR"] == expected
    assert plan_of("http://web", STORE, Selection()).environment.get("CONSUL_HTTP_ADDR") == given


def test_proxies_that_are_not_known_are_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Targets(unknown={"web-proxy": "no address"}, notes=["50 of 51 pods"])
    monkeypatch.setattr(proxies, "find_targets", lambda *_: found)
    plan = plan_of("http://web", STORE, Selection(), expect="web, api,")
    assert (plan.expected, plan.notes) == (("web", "api"), ["50 of 51 pods", "web-proxy cannot be read: no address"])
