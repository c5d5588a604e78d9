"""Files that are generated: `make generate`."""
