"""A Pulumi program: the entries of a traced mesh, written by the component."""
