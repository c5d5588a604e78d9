"""`consul-tracing verify`: follow requests through the mesh and find out why their traces are incomplete."""
