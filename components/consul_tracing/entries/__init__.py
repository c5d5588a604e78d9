"""Config entries and their ownership, without Pulumi."""
