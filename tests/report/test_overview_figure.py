import math
from dataclasses import replace

import numpy as np
import pytest
from audits import evil_audit, small_audit

from propstats.auditing.records import AuditReport
from propstats.report.overview_figure import overview_figure
from propstats.report.style import inline, render


def test_four_panels_and_the_verdict() -> None:
    report = small_audit()
    figure = overview_figure(report)
    assert [axes.get_title(loc="left")[:3] for axes in figure.axes] == ["(a)", "(b)", "(c)", "(d)"]
    title = figure.get_suptitle()
    assert title.endswith("on tensor: signal survives")
    assert overview_figure(report, titled=False).get_suptitle() == ""


def test_the_correlation_is_that_of_the_report() -> None:
    report = small_audit()
    theory, measured = overview_figure(report).axes[2].get_lines()
    assert np.asarray(measured.get_ydata()).tolist() == [layer.forward.c for layer in report.layers]
    expected = [layer.expected for layer in report.layers]
    assert np.asarray(theory.get_ydata()).tolist() == [1 - e.var / e.q for e in expected if e is not None]


def test_shares_only_where_there_are_activations() -> None:
    report = small_audit()
    dead, saturated = overview_figure(report).axes[3].get_lines()
    assert np.asarray(dead.get_xdata()).tolist() == np.asarray(saturated.get_xdata()).tolist() == [1, 3, 5]
    linear = [layer for layer in report.layers if layer.type == "Linear"]
    (text,) = overview_figure(replace(report, layers=linear)).axes[3].texts
    assert text.get_text() == "no activations"


@pytest.mark.parametrize("report", [small_audit(weight=math.nan), evil_audit(), replace(small_audit(), layers=[])])
def test_whatever_the_report_holds(report: AuditReport) -> None:
    assert b"<script" not in render(overview_figure(report), "svg")


def test_in_a_page_nothing_is_opaque() -> None:
    svg = inline(overview_figure(small_audit(), titled=False), "an overview")
    assert "fill: #ffffff" not in svg
    assert "var(--theory)" in svg
