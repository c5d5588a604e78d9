import pytest

from toolchain.consul_plugin.consul_settings import UnusableSettings, consul_settings


@pytest.mark.parametrize(
    ("configuration", "environment", "origin"),
    [
        ({}, {}, "http://localhost:8500"),
        ({"address": "10.0.0.1:8500"}, {"CONSUL_HTTP_ADDR": "10.0.0.2:8500"}, "http://10.0.0.1:8500"),
        ({}, {"CONSUL_HTTP_ADDR": "10.0.0.2:8500"}, "http://10.0.0.2:8500"),
        ({}, {"CONSUL_HTTP_ADDR": "http://10.0.0.2:8500/consul/"}, "http://10.0.0.2:8500/consul"),
        ({"address": "https://consul.example:8501"}, {}, "https://consul.example:8501"),
        ({"scheme": "https"}, {}, "https://localhost:8500"),
        ({}, {"CONSUL_HTTP_SSL": "true"}, "https://localhost:8500"),
        ({}, {"CONSUL_HTTP_SSL": "false"}, "http://localhost:8500"),
    ],
)
def test_the_configuration_counts_before_the_environment(
    configuration: dict[str, str], environment: dict[str, str], origin: str
) -> None:
    assert consul_settings(configuration, environment).origin == origin


def test_tokens_become_headers_and_are_never_shown() -> None:
    settings = consul_settings({"token": "s3cret", "httpAuth": "me:s3cret"}, {})
    assert settings.headers == {"X-Consul-Token": "s3cret", "Authorization": "Basic bWU6czNjcmV0"}
    assert "s3cret" not in repr(settings)


def test_further_headers_come_as_json() -> None:
    assert consul_settings({"headers": '[{"name": "X-Team", "value": "mesh"}]'}, {}).headers == {"X-Team": "mesh"}


def test_partition_and_namespace_come_from_the_environment_too() -> None:
    settings = consul_settings({"namespace": "shop"}, {"CONSUL_NAMESPACE": "other", "CONSUL_PARTITION": "east"})
    assert (settings.namespace, settings.partition) == ("shop", "east")


@pytest.mark.parametrize(
    ("configuration", "told"),
    [
        ({"insecureHttps": "true"}, "insecure_https is meant to be used when scheme is https"),
        ({"address": "unix:///run/consul.sock"}, "this stand-in speaks http and https, not unix"),
        ({"authJwt": '{"jwt": "s3cret"}'}, "authJwt is not served by this stand-in"),
        ({"scheme": "https", "caFile": "/nowhere/ca.pem"}, "failed to create http client: .*No such file"),
    ],
)
def test_settings_that_cannot_be_used_say_why(configuration: dict[str, str], told: str) -> None:
    with pytest.raises(UnusableSettings, match=told):
        consul_settings(configuration, {})
