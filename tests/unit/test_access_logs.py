"""`access_logs`: the format, its conflicts, and fields of other owners."""

import json
from typing import Any

import pytest

from consul_tracing import ConflictError, MeshTracing
from consul_tracing.access_logs import CONSUL_FORMAT
from consul_tracing.cli.importing.recovery import recover
from consul_tracing.cli.render.rendering import as_json, entries_of_consul
from consul_tracing.entries.bodies import bootstrap_hash, config_json, proxy_defaults
from consul_tracing.entries.field_paths import field_paths
from consul_tracing.entries.metadata import ownership_metadata
from consul_tracing.entries.ownership import Change, Plan, Policy, plan
from consul_tracing.files.documents import read_documents
from tests.unit.meshes import STACK, URN, mesh, settings
from tests.unit.mocked_engine import Engine

LOGS: dict[str, Any] = {"access_logs": {"trace_id": True}}
DATADOG = {"datadog": {"service_name": "mesh"}}
OTLP: dict[str, Any] = {"opentelemetry": {}}
ENABLED, FORMAT = ("AccessLogs", "Enabled"), ("AccessLogs", "JSONFormat")


def logs_of(**args: Any) -> dict[str, Any]:
    found: dict[str, Any] = proxy_defaults(settings(**args)).body.get("AccessLogs", {})
    return found


def ids(**args: Any) -> dict[str, str]:
    """Return the fields of the format beyond Consul's."""
    logs = logs_of(**LOGS, **args)
    assert logs["Enabled"] is True
    fields = json.loads(logs["JSONFormat"])
    assert CONSUL_FORMAT.items() <= fields.items()
    return {name: command for name, command in fields.items() if name not in CONSUL_FORMAT}


TRACE_ID, SPAN_ID = {"trace_id": "%TRACE_ID%"}, {"span_id": "%SPAN_ID%"}


@pytest.mark.parametrize(
    ("tracer", "version", "expected"),
    [
        ({"zipkin": {}}, "1.36", TRACE_ID),
        ({"zipkin": {}}, "1.40", TRACE_ID),
        (OTLP, "1.34", TRACE_ID),
        (OTLP, "1.37", TRACE_ID),
        (OTLP, "1.38", TRACE_ID | SPAN_ID),
        (OTLP, "1.40.0", TRACE_ID | SPAN_ID),
        (DATADOG, "1.40", {"dd.trace_id": "%REQ(X-DATADOG-TRACE-ID)%", "traceparent": "%REQ(TRACEPARENT)%"}),
    ],
)
def test_format_has_the_ids_that_the_tracer_and_the_oldest_envoy_support(
    tracer: dict[str, Any], version: str, expected: dict[str, str]
) -> None:
    assert ids(tracer=tracer, envoy_version=version) == expected


@pytest.mark.parametrize("args", [{}, {"access_logs": {"trace_id": False}}, {**LOGS, "enabled": False}])
def test_nothing_is_written_without_the_input_or_without_tracing(args: dict[str, Any]) -> None:
    assert logs_of(**args) == {}


def test_further_fields_of_the_access_logs_are_written_too() -> None:
    fields = {"Type": "file", "Path": "/var/log/envoy.log"}
    assert logs_of(**LOGS, proxy_defaults={"AccessLogs": fields}) == {**logs_of(**LOGS), **fields}
    assert logs_of(**LOGS, proxy_defaults={"AccessLogs": None}) == logs_of(**LOGS)


def test_mesh_without_tracing_has_access_logs_of_its_own() -> None:
    logs = {"AccessLogs": {"Enabled": True}}
    assert logs_of(**LOGS, enabled=False, proxy_defaults=logs) == {"Enabled": True}


def test_access_logs_are_in_the_bootstrap() -> None:
    assert bootstrap_hash(proxy_defaults(settings(**LOGS)).body) != bootstrap_hash(proxy_defaults(settings()).body)


def decided(live: dict[str, Any], **args: Any) -> Plan:
    found = plan(proxy_defaults(settings(**args)), live, Policy("adopt", STACK))
    assert isinstance(found, Plan)
    return found


def written(live: dict[str, Any], **args: Any) -> dict[str, Any]:
    """Return the entry after this stack adopted the live one."""
    declared = proxy_defaults(settings(**args))
    ownership = ownership_metadata(field_paths(declared.body), STACK, URN)
    after: dict[str, Any] = json.loads(config_json("proxy-defaults", decided(live, **args).body(declared), ownership))
    return after


OF_OTHERS = {"Enabled": True, "JSONFormat": '{"path": "%REQ(:PATH)%"}', "Type": "stderr"}


def test_adoption_lists_the_format_that_it_replaces() -> None:
    adopted = decided({"AccessLogs": OF_OTHERS}, **LOGS)
    assert adopted.replaced == (Change(FORMAT, OF_OTHERS["JSONFormat"], logs_of(**LOGS)["JSONFormat"]),)
    assert adopted.preserved == {("AccessLogs", "Type"): "stderr"}


def test_removal_of_the_input_removes_the_fields_of_this_stack_only() -> None:
    live = written({"AccessLogs": {"Type": "stderr"}, "MeshGateway": {"Mode": "local"}}, **LOGS)
    assert live["AccessLogs"] == {**logs_of(**LOGS), "Type": "stderr"}
    again = decided(live, **LOGS)
    assert (again.as_declared, again.replaced, again.removed) == (True, (), ())
    for args in ({}, {**LOGS, "enabled": False}):
        assert written(live, **args)["AccessLogs"] == {"Type": "stderr"}


def test_access_logs_of_another_owner_stay_without_the_input() -> None:
    assert written({"AccessLogs": OF_OTHERS})["AccessLogs"] == OF_OTHERS


TEXT = {"AccessLogs": {"Enabled": True, "TextFormat": "%REQ(:PATH)%"}}


def test_text_format_of_another_owner_is_rejected_before_the_write(engine: Engine) -> None:
    engine.live = {"global": TEXT}
    with pytest.raises(ConflictError, match=r"CT220: proxy-defaults/global: AccessLogs.JSONFormat conflicts with"):
        engine.run(lambda: MeshTracing("mesh", mesh(**LOGS, existing="adopt")))
    assert set(engine.registered) == {"mesh"}


@pytest.mark.parametrize("args", [{"existing": "adopt"}, {**LOGS, "existing": "overwrite"}])
def test_one_format_is_accepted(engine: Engine, args: dict[str, Any]) -> None:
    engine.live = {"global": TEXT}
    engine.run(lambda: MeshTracing("mesh", mesh(**args)))
    logs = engine.entry("mesh-proxy-defaults")["AccessLogs"]
    assert ("TextFormat" in logs) is not ("JSONFormat" in logs)


def imported(**args: Any) -> dict[str, Any]:
    texts = [as_json(entry) for entry in entries_of_consul(settings(**args))]
    inputs, losses = recover(read_documents("\n".join(texts), "-"))
    assert losses == []
    return inputs


@pytest.mark.parametrize(
    ("args", "version"),
    [
        ({}, None),
        ({"tracer": DATADOG}, None),
        ({"tracer": OTLP, "envoy_version": "1.34"}, "1.34"),
        ({"tracer": OTLP, "envoy_version": "1.37"}, "1.35"),
        ({"tracer": OTLP, "envoy_version": "1.40"}, "1.38"),
    ],
)
def test_import_recovers_the_input_and_the_envoy_of_its_format(args: dict[str, Any], version: str | None) -> None:
    inputs = imported(**LOGS, **args, proxy_defaults={"AccessLogs": {"Type": "stderr"}})
    assert (inputs["access_logs"], inputs.get("envoy_version")) == (LOGS["access_logs"], version)
    assert inputs["proxy_defaults"] == {"AccessLogs": {"Type": "stderr"}}


def test_import_keeps_another_format() -> None:
    for logs in (OF_OTHERS, {**logs_of(**LOGS), "Enabled": False}):
        inputs = imported(tracer=OTLP, envoy_version="1.34", proxy_defaults={"AccessLogs": logs})
        assert "access_logs" not in inputs
        assert inputs["proxy_defaults"] == {"AccessLogs": logs}
