"""Output formats of `consul-tracing render`."""

from enum import StrEnum


class Format(StrEnum):
    """Output format of `render`."""

    HCL = "hcl"
    JSON = "json"
    YAML = "yaml"
    REGISTRATION = "registration"
    GATEWAY = "gateway"
