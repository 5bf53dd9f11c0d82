import math
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from audits import small_audit
from matplotlib.figure import Figure

from propstats.auditing.records import Coverage, Finding, Severity, Skipped, Trend
from propstats.files import write_atomically
from propstats.report.page import audit_page, number

EVIL = "<script>alert(1)</script>\"'&amp;\x1b[31m{{ 7*7 }}\u202e\ud800"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;amp;\\x1b[31m{{ 7*7 }}\\u202e\\ud800"


@pytest.fixture
def no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figure out where it does not matter: it takes most of the time."""
    monkeypatch.setattr("propstats.report.page.overview_figure", lambda *_, **__: Figure())


def _finding(severity: Severity, layer: str | None = "one", text: str = "it is wrong") -> Finding:
    return Finding("some-rule", severity, layer, math.nan, (-math.inf, math.inf), None, text, "change it")


class _Page(HTMLParser):
    """Collects what matters and checks that elements nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_a_sound_report() -> None:
    report = small_audit()
    text = audit_page(report, command="propstats audit 'my model.pt'")
    page = _Page(text)
    assert page.open == []
    assert "\u2713 Passed: no errors" in text
    assert "propstats audit &#39;my model.pt&#39;" in text
    assert "<p>None.</p>" in text
    assert len(page.of("tbody")) == 1 + len(report.layers)
    assert len([head for head in page.of("th") if "aria-sort" in head]) == 13
    assert "Training: the network ran in evaluation mode" in text
    assert report.trend.forward_rate is not None
    assert f"&times;{report.trend.forward_rate.value:.3g} a layer" in text
    assert text == audit_page(report, command="propstats audit 'my model.pt'")


@pytest.mark.usefixtures("no_figure")
def test_a_failed_report() -> None:
    findings = [_finding(Severity.ERROR), _finding(Severity.WARNING, None), _finding(Severity.INFO)]
    text = audit_page(replace(small_audit(), findings=findings))
    assert "\u2717 Failed: 1 error, 1 warning" in text
    for word in ("\u2717 error", "\u26a0\ufe0e warning", "\u2139\ufe0e info", "some-rule", "it is wrong", "change it"):
        assert word in text
    assert "Command" not in text


def test_nothing_is_loaded() -> None:
    page = _Page(audit_page(small_audit()))
    for tag in ("link", "img", "iframe", "object", "embed", "base", "form", "a"):
        assert page.of(tag) == []
    assert all("src" not in script for script in page.of("script"))
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("href", "xlink:href"):
                assert value is not None
                assert value.startswith("#")
    policy = next(meta["content"] for meta in page.of("meta") if meta.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")


def test_identifiers_are_unique_and_references_have_a_target() -> None:
    page = _Page(audit_page(small_audit()))
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(identifiers)) == len(identifiers)
    assert {button["aria-controls"] for button in page.of("button") if "aria-controls" in button} <= set(identifiers)


@pytest.mark.usefixtures("no_figure")
def test_strangers_names_are_text() -> None:
    report = small_audit()
    layers = [replace(layer, name=EVIL, type=EVIL, reason=EVIL, shape=()) for layer in report.layers]
    text = audit_page(
        replace(
            report,
            model=replace(report.model, path=EVIL, sha256=EVIL, format=EVIL),
            data=replace(report.data, name=EVIL, layout=EVIL, normalization=EVIL),
            layers=layers,
            findings=[replace(_finding(Severity.ERROR, EVIL, EVIL), rule=EVIL, remedy=EVIL)],
            coverage=Coverage(1, (Skipped(EVIL, EVIL),)),
        ),
        command=EVIL,
    )
    assert EVIL[:10] not in text
    assert "\x1b" not in text
    assert "49" not in re.findall(r"\[31m(..)", text)
    assert text.count(SHOWN) >= 12 + 3 * len(layers)
    page = _Page(text)
    assert page.open == []
    assert len(page.of("script")) == 1
    text.encode("utf-8")


def test_numbers_that_are_not() -> None:
    text = audit_page(small_audit(weight=math.nan))
    assert "not a number" in text
    assert "\u2717 non-finite" in text
    assert "no rate: fewer than two layers have weights, or a number is not finite" in text
    assert re.search(r">\s*(nan|inf|-inf)\b", text) is None
    assert [number(x) for x in (None, math.inf, -math.inf, math.nan, 1234.5)] == [
        "\u2013",
        "infinity",
        "minus infinity",
        "not a number",
        "1.23e+03",
    ]


@pytest.mark.usefixtures("no_figure")
def test_without_expectations() -> None:
    report = small_audit()
    layers = [replace(layer, expected=None, one_step=None, verdict="no expectation") for layer in report.layers]
    bare = replace(report, layers=layers, coverage=Coverage(0, ()), trend=Trend(None, None))
    assert "No layer was compared with theory." in audit_page(bare)
    assert "6 of 6 layers have no expectation" in audit_page(bare)
    assert _Page(audit_page(replace(bare, layers=[]))).open == []


@pytest.mark.usefixtures("no_figure")
def test_a_second_choice_of_expectation_is_marked() -> None:
    report = small_audit()
    assert audit_page(report).count("\u2020") == 0
    layers = [replace(layer, expected=None) for layer in report.layers]
    assert audit_page(replace(report, layers=layers)).count("\u2020") == 2 * len(layers)


_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--v=0",
]


def _browse(page: Path, *options: str) -> tuple[str, str]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("this test needs the executable chromium: apt-get install chromium, or deselect -m browser")
    profile = f"--user-data-dir={page.parent / ('profile-' + page.stem)}"
    command = [chromium, *_FLAGS, profile, *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


#: Presses headings and a row as a reader would, and notes the order of the layers after each.
_SCRIPT = """
const names = () => [...document.querySelectorAll("#layers tbody th")].map((th) => th.dataset.sort).join(" ");
const press = (column) => document.querySelector(`th[data-column="${column}"] button`).click();
const log = [];
press(5); log.push(names());
press(5); log.push(names());
press(10); log.push(names());
press(0); log.push(names()); log.push(said.textContent);
const bodies = () => [...document.querySelectorAll("#layers tbody")].filter((body) => !body.hidden);
const shown = () => bodies().map((body) => body.querySelector("th").dataset.sort).join(" ");
const type = (text) => { sought.value = text; sought.dispatchEvent(new Event("input")); };
if (sought.closest("p").hidden) throw Error("no way to filter");
type("l1"); log.push(shown());
type("LINEAR"); log.push(shown());
type(""); only.click(); log.push(shown());
document.querySelector(".findings button").click(); log.push(shown() + " " + document.activeElement.textContent);
log.push(said.textContent);
document.body.dataset.log = log.join("|");
"""


@pytest.mark.browser
def test_in_a_browser(tmp_path: Path) -> None:
    names = ["l10", "l9", "l2"]
    report = small_audit(names)
    stds = [3.0, math.nan, 1.0, math.inf, 2.0, 0.5]
    layers = [
        replace(layer, forward=replace(layer.forward, var=replace(layer.forward.var, value=std * std)))
        for layer, std in zip(report.layers, stds, strict=True)
    ]
    findings = [_finding(Severity.ERROR, "l9"), _finding(Severity.INFO, "gone"), _finding(Severity.WARNING, None)]
    text = audit_page(replace(report, layers=layers, findings=findings), command=EVIL)
    write_atomically(tmp_path / "page.html", text)
    # No window is narrower than 500 pixels, but a frame is.
    frame = '<iframe src="page.html" style="width: 400px; height: 2600px"></iframe>'
    write_atomically(tmp_path / "phone.html", frame)
    dom, console = _browse(tmp_path / "page.html", "--dump-dom", "--window-size=1280,2600")
    assert console == ""  # not even a word about the policy: the script has the hash that it names
    assert dom.count('aria-expanded="false"') == len(layers)
    for name, options in {
        "light": ["--window-size=1280,2000"],
        "dark": ["--window-size=1280,2000", "--blink-settings=preferredColorScheme=0"],
        "narrow": ["--window-size=500,2600"],
        "phone": ["--window-size=500,2600"],
    }.items():
        page = tmp_path / ("phone.html" if name == "phone" else "page.html")
        _, console = _browse(page, f"--screenshot={tmp_path / name}.png", *options)
        assert console == ""
        assert (tmp_path / f"{name}.png").stat().st_size > 20_000

    driven = re.sub(r"script-src '[^']*'", "script-src 'unsafe-inline'", text)
    driven = driven.replace("</body>", f"<script>{_SCRIPT}</script></body>")
    write_atomically(tmp_path / "driven.html", driven)
    dom, console = _browse(tmp_path / "driven.html", "--dump-dom")
    assert console == ""
    found = re.search(r'data-log="([^"]*)"', dom)
    assert found is not None
    assert found.group(1).split("|") == [
        "l2-act l9 l2 l10 l9-act l10-act",  # ascending: 0.5 1 2 3 infinity, and NaN last
        "l9-act l10 l2 l9 l2-act l10-act",  # descending, and NaN last
        "l9-act l2-act l10-act l10 l2 l9",  # dead: all alike, so the order stays, and without a number last
        "l2 l2-act l9 l9-act l10 l10-act",  # names, with numbers in them counted
        "sorted by name, ascending",
        "l10 l10-act",  # that contain l1
        "l2 l9 l10",  # of this type
        "l9",  # something was found there
        "l2 l2-act l9 l9-act l10 l10-act l9",  # from a finding to its layer: all are shown, it has the focus
        "6 of 6 layers",
    ]
    assert 'aria-sort="ascending" data-column="0"' in dom
    assert dom.count('aria-sort="none"') == 12
    assert len(re.findall(r'<button[^>]* aria-expanded="true"', dom)) == 1


@pytest.mark.browser
def test_the_browser_would_report_errors(tmp_path: Path) -> None:
    text = audit_page(small_audit()).replace("</body>", "<script>alert(1)</script></body>")
    write_atomically(tmp_path / "foreign.html", text)
    _, console = _browse(tmp_path / "foreign.html", "--dump-dom")
    assert "Content Security Policy" in console


@pytest.mark.usefixtures("no_figure")
def test_findings_come_first_and_stand_at_their_layer() -> None:
    text = audit_page(replace(small_audit(), findings=[_finding(Severity.ERROR), _finding(Severity.INFO, "gone")]))
    assert text.index("<h2>Findings</h2>") < text.index("<h2>Model</h2>") < text.index('<table id="layers">')
    page = _Page(text)
    assert [button["data-row"] for button in page.of("button") if "data-row" in button] == ["layer-0"]
    assert text.count("some-rule: it is wrong") == 1  # in the drawer of `one`
    assert sum("data-remarkable" in body for body in page.of("tbody")) == 1
