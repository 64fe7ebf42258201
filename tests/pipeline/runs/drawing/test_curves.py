import re

import pytest

from idxpipe.pipeline.runs.drawing.curves import line_chart, round_ticks


@pytest.mark.parametrize(
    ("low", "high", "whole", "expected"),
    [
        (0, 100, False, [0, 20, 40, 60, 80, 100]),
        (0.913, 0.987, False, [0.92, 0.94, 0.96, 0.98]),
        (1, 3, True, [1, 2, 3]),
        (50, 7000, True, [2000, 4000, 6000]),
        (5, 5, True, [5]),
        (-0.01, 0.01, False, [-0.01, -0.005, 0, 0.005, 0.01]),
    ],
)
def test_ticks_are_round_and_within(low, high, whole, expected):
    assert round_ticks(low, high, whole) == pytest.approx(expected)


def points(svg):
    return [
        [tuple(map(float, place.split(","))) for place in line.split()]
        for line in re.findall(r'<polyline [^>]*points="([^"]+)"', svg)
    ]


def test_one_scale_for_all_lines_and_a_legend_for_several():
    low, high = (("a", [(0, 1.0), (10, 1.0)]), ("<b>", [(0, 3.0), (10, 3.0)]))
    chart = line_chart("n", "Step", [low, high])
    (one, other) = points(chart)
    assert one[0][1] > other[0][1]
    assert {x for x, _ in one} == {x for x, _ in other}
    assert "&lt;b&gt;" in chart
    assert 'class="curve0" x=' not in line_chart("n", "Step", [low])


def test_a_long_curve_is_thinned_but_ends_where_it_ended():
    series = [(n, float(n)) for n in range(10_001)]
    (line,) = points(line_chart("n", "Step", [("a", series)]))
    assert len(line) < 500
    (short,) = points(line_chart("n", "Step", [("a", [series[0], series[-1]])]))
    assert line[-1] == short[-1]


def test_a_single_point_is_drawn():
    """A polyline of one point has no length, and SVG draws nothing."""
    lone, line = ("a", [(3, 0.0)]), ("b", [(0, 1.0), (10, 1.0)])
    chart = line_chart("n", "Step", [lone, line])
    (drawn, _) = points(chart)
    assert len(drawn) == 2
    assert drawn[0] == drawn[1]
    assert chart.count('class="curve0 point"') == 1
