"""The result of `verify` as JUnit XML, which CI services show as tests.

The trace is a test, and so is each expected service, whose history CI services show by its name.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from consul_tracing.codes import CODES
from consul_tracing.errors import CommandError, error_reason

from .report import summary, time_of, timestamp

if TYPE_CHECKING:
    from .report import Result

NAME = "consul-tracing verify"

NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow, not even escaped."""


def junit_report(result: Result) -> bytes:
    """Return the result as JUnit XML."""
    trace = result.trace
    url, suite = trace.request.url, ET.Element("testsuite", name=NAME, timestamp=time_of(result))
    case = _case(suite, f"{url}: complete trace", trace.seconds)
    text = "\n".join(summary(result))
    if trace.is_complete:
        ET.SubElement(case, "system-out").text = text
    else:
        reasons = [f"{cause.code}: {CODES[cause.code].title}: {cause.proxy}" for cause in result.causes]
        failure = ET.SubElement(case, "failure", message="; ".join(reasons) or "No cause was found.")
        failure.text = text
    for service in trace.expected:
        case = _case(suite, f"{url}: span of {service}")
        if service in trace.missing:
            ET.SubElement(case, "failure", message=f"{service} has no span in the trace")
    return _document(suite)


def failed_run(url: str, error: str, ended: float) -> bytes:
    """Return a run that could not verify anything as JUnit XML."""
    suite = ET.Element("testsuite", name=NAME, timestamp=timestamp(ended))
    ET.SubElement(_case(suite, f"{url}: complete trace"), "error", message=error)
    return _document(suite)


def write_report(file: Path, content: bytes) -> None:
    """Write a file that readers see as the former or the new one, and never a part of it. Raises CommandError."""
    temporary = ""
    try:
        if file.exists() and not file.is_file():
            # Such as /dev/stdout, which must not be replaced.
            file.write_bytes(content)
            return
        descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(file)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error_reason(error)}") from None
    finally:
        if temporary:
            with suppress(OSError):
                Path(temporary).unlink()


def _case(suite: ET.Element, name: str, seconds: float | None = None) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=NAME, name=name, time=f"{seconds or 0:.3f}")


def _document(suite: ET.Element) -> bytes:
    for element in suite.iter():
        element.text = element.text and _allowed(element.text)
        element.attrib = {name: _allowed(value) for name, value in element.attrib.items()}
    cases = list(suite)
    suite.set("tests", str(len(cases)))
    for tag, total in (("failure", "failures"), ("error", "errors")):
        suite.set(total, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", cases[0].get("time", "0"))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _allowed(text: str) -> str:
    return NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
