"""Reports as JUnit's XML, as CI systems read it: a suite for each run of a test target, with a case for each of its cases."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring

from hermes.testing.report import Report

_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold; see XML 1.0, production 2."""


class Suite(NamedTuple):
    """One run of a target; an ``error`` says why it did not run."""

    name: str
    report: Report = Report()
    error: str = ""


def document(suites: Iterable[Suite]) -> bytes:
    """Return the XML document."""
    root = Element("testsuites")
    totals = {"tests": 0, "failures": 0, "errors": 0}
    taken = 0
    for suite in suites:
        cases = suite.report.cases
        errors = int(bool(suite.error) or suite.report.timed_out)
        counts = {"tests": len(cases) + errors, "failures": len(suite.report.failures), "errors": errors}
        element = SubElement(root, "testsuite", {"name": _clean(suite.name), **_texts(counts)})
        element.set("time", _seconds(suite.report.milliseconds))
        for case in cases:
            row = SubElement(
                element, "testcase", {"name": _clean(case.name), "classname": _clean(suite.name)}
            )
            row.set("time", _seconds(case.milliseconds))
            for error in case.errors:
                SubElement(row, "failure", {"message": _clean(error.partition("\n")[0])}).text = _clean(error)
            for name, text in (("system-out", case.stdout), ("system-err", case.stderr)):
                if text:
                    SubElement(row, name).text = _clean(text)
        said = suite.error or ("the test took too long, and was ended" if suite.report.timed_out else "")
        if said:
            row = SubElement(
                element, "testcase", {"name": "run", "classname": _clean(suite.name), "time": "0.000"}
            )
            SubElement(row, "error", {"message": _clean(said.partition("\n")[0])}).text = _clean(said)
        totals = {name: count + counts[name] for name, count in totals.items()}
        taken += suite.report.milliseconds
    for name, text in _texts(totals).items():
        root.set(name, text)
    root.set("time", _seconds(taken))
    body: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return body + b"\n"


def _texts(counts: dict[str, int]) -> dict[str, str]:
    return {name: str(count) for name, count in counts.items()}


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}"


def _clean(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)
