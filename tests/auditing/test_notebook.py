from dataclasses import replace
from html.parser import HTMLParser

from audits import evil_audit, finding, small_audit

from propstats.auditing.records import Severity


class _Parser(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") or name in ("src", "href") for name, _ in attrs)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_report_in_a_notebook() -> None:
    report = replace(small_audit(), findings=[finding(Severity.ERROR), finding(Severity.INFO)])
    text = report._repr_html_()
    page = _Parser(text)
    assert page.open == []
    assert page.tags.count("tr") == 1 + len(report.layers)
    assert page.tags.count("li") == 2
    assert "FAIL" in text
    assert "PASS" in small_audit()._repr_html_()


def test_hostile_names_are_text() -> None:
    text = evil_audit()._repr_html_()
    page = _Parser(text)
    assert page.open == []
    assert "script" not in page.tags
    assert "\x1b" not in text
    text.encode("utf-8")


def test_small_whatever_the_network() -> None:
    report = small_audit()
    text = replace(report, layers=list(report.layers) * 1000)._repr_html_()
    assert len(text) < 20_000
    assert "5960 more layers" in text
    assert "nan" in small_audit(weight=float("nan"))._repr_html_()
