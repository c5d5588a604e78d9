"""`consul-tracing render`: entries from settings, and settings from entries."""
