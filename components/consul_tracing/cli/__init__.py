"""The command line `consul-tracing`. It requires the extra `consul-tracing[cli]`."""
