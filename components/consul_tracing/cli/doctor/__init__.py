"""`consul-tracing doctor`: the state of a mesh in one page, for a ticket."""
