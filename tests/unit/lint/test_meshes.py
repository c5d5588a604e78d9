"""Files of one mesh, and files of several."""

import json

import pytest

from consul_tracing.lint.checks import check_texts
from tests.unit.cli.test_lint import fix_texts
from tests.unit.cli.test_lint_inputs import GATEWAY, block, cluster, defaults, entry, manifest, tracer

OTHER = cluster("other.example")
WEB, OTHER_WEB = defaults("http"), defaults("grpc")


def codes(texts: dict[str, str]) -> list[tuple[str, str]]:
    return [(one.file, one.code) for one in check_texts(texts).findings]


@pytest.mark.parametrize(
    ("first", "second"),
    [("dev", "prod"), ("dc1", "dc2"), ("base", "overlays/prod"), (".", "overlay"), ("mesh/dc1", "mesh/dc1/prod")],
)
def test_directory_with_proxy_defaults_is_a_mesh_of_its_own(first: str, second: str) -> None:
    files = {"mesh.hcl": block(), "services/web.json": WEB}
    others = {"mesh.yaml": manifest(extra_static_clusters=OTHER), "services/web.json": OTHER_WEB}
    texts = {f"{first}/{name}": text for name, text in files.items()}
    assert codes({**texts, **{f"{second}/{name}": text for name, text in others.items()}}) == []


def test_overlay_of_one_service_and_another_one_are_no_two_writers() -> None:
    assert codes({"base/mesh.hcl": block(), "base/web.json": WEB, "overlays/prod/web.json": OTHER_WEB}) == []
    assert codes({"dc1/web.json": WEB, "dc2/web.json": OTHER_WEB}) == []


def test_two_entries_in_one_mesh_are_two_writers() -> None:
    texts = {"mesh.hcl": block(), "a/web.json": WEB, "b/web.json": OTHER_WEB}
    assert codes(texts) == [("b/web.json", "CT327")]
    assert codes({"a.json": WEB, "b.json": OTHER_WEB}) == [("b.json", "CT327")]
    assert codes({"dev/a.hcl": block(), "dev/b.json": entry(extra_static_clusters=OTHER)}) == [("dev/b.json", "CT327")]


def test_files_beside_a_mesh_belong_to_it_if_it_is_the_only_one() -> None:
    keys = {"envoy_tracing_json": tracer(collector_cluster="other")}
    web = json.dumps({"name": "web", "proxy": {"config": keys}})
    texts = {"mesh/mesh.hcl": block(), "edge/edge.hcl": GATEWAY, "web/web.json": web}
    assert codes(texts) == [("mesh/mesh.hcl", "CT329"), ("web/web.json", "CT310")]
    assert codes({**texts, "dev/mesh.hcl": block()}) == []


def test_entries_with_the_same_meaning_are_no_two_writers() -> None:
    fields = json.loads(entry())
    config = {key.title(): json.dumps(json.loads(text), indent=4) for key, text in fields["Config"].items()}
    texts = {"a.json": entry(), "b.json": json.dumps({**fields, "Config": config, "Meta": {}})}
    assert codes(texts) == []
    assert codes({"a.json": defaults("HTTP"), "b.json": defaults("http", Meta={})}) == []
    assert codes({"a.json": defaults("http"), "b.json": defaults("http", MutualTLSMode="strict")}) != []


def test_meshes_have_their_own_fixes() -> None:
    texts = {f"{name}/mesh.hcl": block(tracing=tracer(collector_endpoint="/api/v1/spans")) for name in ("a", "b")}
    assert fix_texts(texts) == {f"{name}/mesh.hcl": block() for name in ("a", "b")}
