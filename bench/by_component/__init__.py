"""A Pulumi program: the entries of a traced mesh, left to the component."""
