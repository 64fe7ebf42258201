import re
from graphlib import CycleError

import pytest

from idxpipe.pipeline.runs.drawing.dag import Node, draw

NEEDS = {
    "validate": [],
    "test": ["validate"],
    "train-data": ["validate"],
    "train": ["train-data", "validate"],
    "evaluate": ["train", "test"],
    "gate": ["evaluate"],
}
BOX = re.compile(r'<rect x="([-\d.]+)" y="([-\d.]+)" width="(\d+)" height="(\d+)"')


def boxes(svg):
    return [tuple(map(float, found)) for found in BOX.findall(svg)]


def edges(svg):
    return [
        [float(n) for n in re.findall(r"-?[\d.]+", d)] for d in re.findall(r' d="([^"]+)"', svg)
    ]


def drawn(needs):
    return draw("graph", {name: Node(name) for name in needs}, needs)


def test_what_is_needed_is_above_and_no_boxes_overlap():
    found = dict(zip(NEEDS, boxes(drawn(NEEDS)), strict=True))
    for name, needs in NEEDS.items():
        for before in needs:
            assert found[before][1] + found[before][3] < found[name][1]
    places = list(found.values())
    for number, (x, y, width, height) in enumerate(places):
        for a, b, *_ in places[number + 1 :]:
            assert abs(x - a) >= width or abs(y - b) >= height


def test_an_edge_that_follows_from_others_is_left_out():
    # validate -> train is told by validate -> train-data -> train.
    assert len(edges(drawn(NEEDS))) == 6


def test_a_line_that_skips_a_layer_passes_no_box():
    svg = drawn(NEEDS)
    found = dict(zip(NEEDS, boxes(svg), strict=True))
    x, y, width, _ = found["train"]
    # Straight down beside the box, from the end of one bend to the beginning of the next.
    ((at, top, bottom),) = re.findall(r"([\d.]+),([\d.]+) V([\d.]+)", svg)
    assert float(top) <= y < float(bottom)
    assert not x <= float(at) <= x + width


def test_a_wide_layer_stays_within_the_drawing():
    needs = {"a": [], **{f"b{n}": ["a"] for n in range(6)}}
    svg = drawn(needs)
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
    assert all(x >= 0 and x + wide <= width for x, _, wide, _ in boxes(svg))


def test_others_tasks_are_ignored_text_is_escaped_and_a_cycle_is_named():
    svg = draw("g", {"a": Node("<b>", "<i>", "k", "<u>")}, {"a": ["importer"]})
    assert "<b>" not in svg
    assert "<i>" not in svg
    assert "<u>" not in svg
    assert 'class="node k"' in svg
    with pytest.raises(CycleError):
        drawn({"a": ["b"], "b": ["a"]})
