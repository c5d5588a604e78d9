"""The policy pack: starts the rules under Pulumi's policy host."""

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError
from rules import RULES, Resource, Rule


def plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return properties as plain data, without values that are unknown in a preview."""
    if isinstance(value, Mapping):
        return {key: member for key in value if (member := known(value, key)) is not None}
    if isinstance(value, Sequence) and not isinstance(value, str):
        members = (known(value, index) for index in range(len(value)))
        return [member for member in members if member is not None]
    return value


def known(container: Any, key: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a member as plain data, None if it is unknown."""
    try:
        return plain(container[key])
    except UnknownValueError:
        return None


def policy(rule: Rule) -> Policy:
    """Return the policy of a rule."""
    common: dict[str, Any] = {
        "name": rule.name,
        "description": rule.reason,
        "enforcement_level": EnforcementLevel(rule.level),
        "severity": Severity(rule.severity),
        "config_schema": PolicyConfigSchema(properties=dict(rule.settings)) if rule.settings else None,
    }

    def validate_stack(args: StackValidationArgs, report: ReportViolation) -> None:
        for urn, message in rule.violations([resource_of(one) for one in args.resources], dict(args.get_config())):
            report(message, urn)

    def validate_resource(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for _, message in rule.violations([resource_of(args)], dict(args.get_config())):
            report(message)

    if rule.needs_all:
        return StackValidationPolicy(validate=validate_stack, **common)
    return ResourceValidationPolicy(validate=validate_resource, **common)


def resource_of(args: Any) -> Resource:  # noqa: ANN401 - a resource in either kind of policy
    """Return the resource of the arguments of a policy."""
    provider, settings = (args.provider.urn, plain(args.provider.props)) if args.provider else ("", {})
    return Resource(args.urn, args.resource_type, plain(args.props), args.opts.protect, provider, settings)


PolicyPack("consul-tracing", policies=[policy(rule) for rule in RULES])
