"""A Pulumi program: the entries of a traced mesh, written by hand with `pulumi_consul`."""
