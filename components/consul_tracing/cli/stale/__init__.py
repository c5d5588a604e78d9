"""`consul-tracing stale`: find the proxies that started with another bootstrap than the one Consul has now."""
