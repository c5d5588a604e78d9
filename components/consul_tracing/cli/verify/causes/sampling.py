"""Proxies that do not sample the request, or sample it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.cli.verify.contexts import Propagation
from consul_tracing.cli.verify.evidence import EVERYTHING, Cause
from consul_tracing.errors import format_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.cli.verify.evidence import Evidence
    from consul_tracing.cli.verify.proxies import Proxy


def limited_callers(evidence: Evidence) -> Iterator[Cause]:
    """CT412: proxies that apply their sampling rate to requests that are sampled already."""
    for proxy in evidence.proxies:
        if proxy.is_on_path and proxy.limits_callers and not proxy.is_gateway:
            version = ".".join(map(str, proxy.release))
            yield Cause(
                "CT412",
                proxy.label,
                f"the OpenTelemetry tracer of Envoy {version} samples {proxy.sampling:g} % of all requests, also of "
                "those that the caller has sampled, so traces break",
                'set envoy_version: "1.35" or newer, which moves the rate to the sampler of the tracer, run pulumi up, '
                f"and restart the proxy of {proxy.service}",
                EVERYTHING,
            )


def unsampled_request(evidence: Evidence) -> Iterator[Cause]:
    """CT405 and CT406: the first proxy does not sample the request."""
    context, consul = evidence.trace.request.context, evidence.consul
    if evidence.trace.spans or evidence.is_explained:
        return
    proxies = evidence.first_proxies
    if any(evidence.has_cause(one.label) for one in proxies):
        return
    for proxy in proxies:
        if proxy.follows(context) or proxy.sampling >= 100:  # noqa: PLR2004 - percent
            continue
        rate = f"random sampling is {format_rate(proxy.sampling)}"
        ignored = f", and the tracer does not follow {context}" if context is not Propagation.NONE else ""
        if proxy.is_gateway and not proxy.sampling:
            yield Cause(
                "CT406",
                proxy.label,
                f"the gateway marks requests {_unsampled_by(proxy)} as not sampled: its {rate}",
                "start the gateway with the output gateway_envoy_args (consul-tracing render --as gateway), or set "
                "gateways: skip (README, section Gateways)",
                EVERYTHING,
            )
        else:
            repeat = "set sampling.random above 0, such as 1.0" if not proxy.sampling else "repeat with more --requests"
            readable = next((one for one in (Propagation.B3, Propagation.W3C) if proxy.follows(one)), None)
            instead = f", or use --propagation {readable}" if readable else ""
            yield Cause("CT405", proxy.label, f"{rate}{ignored}", f"{repeat}{instead}", EVERYTHING)
        return
    if not evidence.proxies and consul and context is Propagation.NONE:
        rate_of_mesh = consul.keys.listener_block.get("random_sampling", {"value": 100}).get("value", 0)
        if rate_of_mesh == 0:
            evidence_text = "envoy_listener_tracing_json has no random sampling, so proxies start no trace"
            fix = "set sampling.random above 0, such as 1.0"
            yield Cause("CT405", "proxy-defaults/global", evidence_text, fix, EVERYTHING)


def _unsampled_by(gateway: Proxy) -> str:
    return "with or without a trace context" if gateway.limits_callers else "without trace context"
