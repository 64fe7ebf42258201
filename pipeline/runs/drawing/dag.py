"""A directed acyclic graph as inline SVG: layer below layer, drawn for a phone's width."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

_WIDTH = 340.0
_BOX_WIDTH, _BOX_HEIGHT, _PITCH = 148.0, 44.0, 68.0
_GAP = 12.0

Point = tuple[float, float]


@dataclass(frozen=True)
class Node:
    """A box of the drawing.

    Attributes:
        name: What is written in it.
        text: A second line.
        kind: CSS class.
        title: What a pointer shows.
    """

    name: str
    text: str = ""
    kind: str = ""
    title: str = ""


def draw(name: str, nodes: Mapping[str, Node], upstream: Mapping[str, Iterable[str]]) -> "Markup":
    """Return the drawing of a graph.

    An edge that a longer path implies is left out: it tells nothing of the order.

    Args:
        name: For those who cannot see it.
        nodes: Boxes, by key.
        upstream: Keys of the nodes that a node needs, by key; others than `nodes` are ignored.

    Raises:
        graphlib.CycleError: If there is a cycle.
    """
    from markupsafe import Markup, escape

    needs = _reduced({key: set(upstream.get(key, ())) & nodes.keys() for key in nodes})
    layers, chains = _layers(needs)
    places = _places(layers)
    widest = max((len(layer) for layer in layers), default=1)
    width = max(_WIDTH, widest * (_BOX_WIDTH + _GAP))
    at = {key: (x * width, (row + 0.5) * _PITCH) for key, (x, row) in places.items()}
    paths = "".join(_path([at[key] for key in chain]) for chain in chains)
    boxes = []
    for key, node in nodes.items():
        x, y = at[key]
        boxes.append(
            f'<g class="node {escape(node.kind)}"><title>{escape(node.title or node.name)}</title>'
            f'<rect x="{x - _BOX_WIDTH / 2:.1f}" y="{y - _BOX_HEIGHT / 2:.1f}" '
            f'width="{_BOX_WIDTH:g}" height="{_BOX_HEIGHT:g}" rx="8"/>'
            f'<text class="middle name" x="{x:.1f}" y="{y - 3:.1f}">{escape(node.name)}</text>'
            f'<text class="middle" x="{x:.1f}" y="{y + 13:.1f}">{escape(node.text)}</text></g>'
        )
    return Markup(  # noqa: S704 - every text in it was escaped above
        f'<svg class="chart graph" viewBox="0 0 {width:g} {len(layers) * _PITCH:g}" role="img" '
        f'aria-label="{escape(name)}">{paths}{"".join(boxes)}</svg>'
    )


def _reduced(needs: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the same order without the edges that follow from others."""
    all_before: dict[str, set[str]] = {}
    for key in TopologicalSorter(needs).static_order():
        all_before[key] = needs[key].union(*(all_before[one] for one in needs[key]))
    return {
        key: {
            one for one in before if not any(one in all_before[other] for other in before - {one})
        }
        for key, before in needs.items()
    }


def _layers(needs: dict[str, set[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Return the keys by layer, and each edge as the keys that its line passes.

    A line keeps a place of its own in every layer between, so that it passes no box.
    """
    depth: dict[str, int] = {}
    for key in TopologicalSorter(needs).static_order():
        depth[key] = 1 + max((depth[one] for one in needs[key]), default=-1)
    layers: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for key in needs:
        layers[depth[key]].append(key)
    chains = []
    for key, before in needs.items():
        for one in sorted(before, key=list(needs).index):
            between = [f"{one}\0{key}\0{row}" for row in range(depth[one] + 1, depth[key])]
            for row, passed in enumerate(between, depth[one] + 1):
                layers[row].append(passed)
            chains.append([one, *between, key])
    parents: dict[str, list[str]] = {}
    for chain in chains:
        for above, below in pairwise(chain):
            parents.setdefault(below, []).append(above)
    for row in range(1, len(layers)):
        order = {key: place for place, key in enumerate(layers[row - 1])}
        layers[row].sort(key=lambda key: _mean([order[one] for one in parents[key]]))
    return layers, chains


def _mean(values: list[int]) -> float:
    return sum(values) / len(values)


def _places(layers: list[list[str]]) -> dict[str, Point]:
    return {
        key: ((place + 0.5) / len(layer), float(row))
        for row, layer in enumerate(layers)
        for place, key in enumerate(layer)
    }


def _path(points: list[Point]) -> str:
    """Return a line from the foot of the first box to the head of the last."""
    half = _BOX_HEIGHT / 2
    x, y = points[0]
    text = f"M{x:.1f},{y + half:.1f}"
    for number, (x, y) in enumerate(points[1:], 2):
        top, before = y - half, points[number - 2]
        bend = (before[1] + half + top) / 2
        text += f" C{before[0]:.1f},{bend:.1f} {x:.1f},{bend:.1f} {x:.1f},{top:.1f}"
        if number < len(points):
            text += f" V{y + half:.1f}"
    return f'<path class="edge" d="{text}"/>'
