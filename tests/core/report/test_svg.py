import xml.etree.ElementTree as ET

import pytest

from idxpipe.components.core.report.svg import Chart, short

CHART = Chart(height=120, bottom=100)


def test_axes_run_from_0_to_1():
    assert (CHART.x(0), CHART.x(1)) == (CHART.left, CHART.right)
    assert (CHART.y(0), CHART.y(1)) == (CHART.bottom, CHART.top)


def test_a_bar_stands_on_the_axis_and_is_seen_even_if_it_is_nothing():
    for share, least, height in ((0.5, 0, 46), (0, 0, 0), (0, 2, 2)):
        bar = ET.fromstring(CHART.bar(50, 10, share, "title", least=least))
        assert float(bar.get("height")) == height
        assert float(bar.get("y")) + height == CHART.bottom


def test_what_is_drawn_is_well_formed_whatever_the_names_are():
    name = '<script>alert(1)</script> & "more"'
    marks = [CHART.bar(50, 10, 1, name, kind='"'), CHART.below(50, name, row=1)]
    drawing = ET.fromstring(CHART.draw(name, [(0.5, name)], marks))
    assert drawing.get("aria-label") == name
    assert "script" not in {element.tag for element in drawing.iter()}
    assert [text.text for text in drawing.iter("text")] == [name, name]
    assert drawing.find("rect/title").text == name


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (7, "7"), (0.25, "0.25"), (999, "999"), (1500, "1.5k"), (2e6, "2M"), (3e9, "3G")],
)
def test_counts_in_few_letters(count, text):
    assert short(count) == text
