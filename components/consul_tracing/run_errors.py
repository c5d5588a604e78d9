"""Exceptions of the components. Pulumi shows the message of a `pulumi.RunError` without a traceback."""

from __future__ import annotations

import pulumi

from .errors import InputError


class InvalidInputError(pulumi.RunError, InputError):
    """Inputs of a component that are invalid, all in one error.

    A `pulumi.RunError`, so that Pulumi shows the message without a traceback, and a `ValueError` for Python code that
    builds arguments.
    """


class ConflictError(pulumi.RunError):
    """The live state of the mesh does not allow the change. Nothing was written."""


class SyncError(pulumi.RunError):
    """consul-k8s did not write the custom resources into Consul. The message contains the controller's error."""


class MissingDependencyError(pulumi.RunError):
    """An optional dependency that the inputs require is not installed."""
