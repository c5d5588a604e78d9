"""The demo: a request through a real mesh and its trace."""
