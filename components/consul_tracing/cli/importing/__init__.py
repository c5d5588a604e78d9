"""`consul-tracing import`: settings from existing entries."""
