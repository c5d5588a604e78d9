"""`consul-tracing render`: entries from settings."""
