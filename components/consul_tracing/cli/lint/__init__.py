"""`consul-tracing lint`: find mistakes in the tracing configuration of entries that any tool wrote."""
