"""The demonstration behind `make demo`: a request through a real mesh, and its trace."""
