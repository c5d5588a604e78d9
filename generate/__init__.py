"""Files that are generated from the inputs, which are defined in components/consul_tracing/inputs."""
