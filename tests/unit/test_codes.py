"""The codes of messages: each is documented, and each is used."""

import os

from consul_tracing.codes import CODES
from testbed import CHECKOUT

REFERENCE = CHECKOUT / "docs" / "reference" / "messages.md"
HEAD = """# Messages

Every error and warning of consul-tracing has a stable code. Errors of inputs (CT1xx) and of ownership, backends and
synchronization (CT2xx) stop the preview or the update. Warnings and information (CT5xx) do not. `consul-tracing lint`
reports CT3xx ([examples](lint.md)), `consul-tracing verify` CT4xx, and the command line itself CT6xx.

"""


def reference() -> str:
    sections = (
        f"## {code}: {one.title}\n\n**Cause.** {one.cause}\n\n**Fix.** {one.fix}\n" for code, one in CODES.items()
    )
    return HEAD + "\n".join(sections)


def test_reference_documents_every_code() -> None:
    """`CONSUL_TRACING_UPDATE_GOLDEN=1` writes the document instead."""
    if os.environ.get("CONSUL_TRACING_UPDATE_GOLDEN"):
        REFERENCE.write_text(reference())
    assert REFERENCE.read_text() == reference()
