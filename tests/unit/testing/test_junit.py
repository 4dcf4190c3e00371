"""Reports are kept whole, and as JUnit's XML."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from hermes.testing.junit import Suite, document
from hermes.testing.report import Case, Report

texts = st.text(max_size=20)
cases = st.builds(Case, texts, st.lists(texts, max_size=2).map(tuple), st.integers(0, 9999), texts, texts)
reports = st.builds(Report, st.lists(cases, max_size=3).map(tuple), st.integers(0, 9999), st.booleans())


@given(reports)
def test_a_report_is_read_as_it_was_written(report: Report) -> None:
    assert Report.load(report.dump()) == report


@given(st.lists(st.builds(Suite, texts, reports, texts), max_size=3))
def test_a_parser_finds_every_case_and_counts_the_same(suites: list[Suite]) -> None:
    root = ET.fromstring(document(suites))
    assert len(root) == len(suites)
    for element, suite in zip(root, suites, strict=True):
        rows = element.findall("testcase")
        assert len(rows) == int(element.attrib["tests"])
        failed = [row for row in rows if row.find("failure") is not None]
        assert len(failed) == int(element.attrib["failures"]) == len(suite.report.failures)
        assert len(element.findall("testcase/error")) == int(element.attrib["errors"])
    assert sum(int(one.attrib["tests"]) for one in root) == int(root.attrib["tests"])


def test_a_failed_case_says_why() -> None:
    report = Report((Case("a", ("wrong <b>\nmore",), 1500, "out\x1b[0m", ""),), 1500, timed_out=True)
    root = ET.fromstring(document([Suite("//a:t", report)]))
    failure = root.find("testsuite/testcase/failure")
    assert failure is not None
    assert (failure.attrib["message"], failure.text) == ("wrong <b>", "wrong <b>\nmore")
    assert root.find("testsuite").attrib["time"] == "1.500"  # type: ignore[union-attr]
    assert root.find("testsuite/testcase/system-out").text == "out\ufffd[0m"  # type: ignore[union-attr]
    assert "too long" in root.find("testsuite/testcase/error").attrib["message"]  # type: ignore[union-attr]
