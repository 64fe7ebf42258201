"""Charts as inline SVG: drawn for a phone's width, styled by the page."""

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclasses.dataclass(frozen=True)
class Chart:
    """The area that a chart is drawn into; both axes run from 0 to 1.

    Attributes:
        height: Of the whole drawing, in its own units: about a phone's pixels.
        bottom: Where the vertical axis is 0.
        top: Where it is 1.
        left: Where the horizontal axis is 0.
        right: Where it is 1.
        width: Of the whole drawing.
    """

    height: float
    bottom: float
    top: float = 8.0
    left: float = 40.0
    right: float = 332.0
    width: float = 340.0

    def x(self, share: float) -> float:
        """Return where the horizontal axis is `share`."""
        return self.left + share * (self.right - self.left)

    def y(self, share: float) -> float:
        """Return where the vertical axis is `share`."""
        return self.bottom - share * (self.bottom - self.top)

    def bar(
        self, x: float, width: float, share: float, title: str, kind: str = "", least: float = 0
    ) -> str:
        """Return a bar from 0 up to `share`, at least `least` high; a pointer shows `title`."""
        from markupsafe import escape

        height = max(self.y(0) - self.y(share), least)
        return (
            f'<rect x="{x:.2f}" y="{self.bottom - height:.2f}" width="{width:.2f}" '
            f'height="{height:.2f}" class="{escape(kind)}"><title>{escape(title)}</title></rect>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str = "") -> str:
        """Return a line between two points of the drawing."""
        return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'

    def below(self, x: float, text: str, row: int = 0) -> str:
        """Return a label below the horizontal axis."""
        from markupsafe import escape

        y = self.bottom + 16 + 18 * row
        return f'<text x="{x:.1f}" y="{y:g}" class="middle">{escape(text)}</text>'

    def above(self, text: str) -> str:
        """Return a label above the vertical axis, which needs a `top` of about 24."""
        from markupsafe import escape

        return f'<text x="0" y="10">{escape(text)}</text>'

    def draw(self, name: str, ticks: Iterable[tuple[float, str]], marks: Iterable[str]) -> "Markup":
        """Return the chart.

        Args:
            name: For those who cannot see it.
            ticks: Of the vertical axis: where, and its label.
            marks: What is drawn over the grid.
        """
        from markupsafe import Markup, escape

        grid = "".join(
            self.line(self.left, self.y(share), self.right, self.y(share), "grid")
            + f'<text x="{self.left - 5:g}" y="{self.y(share) + 4:.1f}" class="end">'
            f"{escape(text)}</text>"
            for share, text in ticks
        )
        return Markup(  # noqa: S704 - every text in it was escaped above
            f'<svg class="chart" viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f'aria-label="{escape(name)}">{grid}{"".join(marks)}</svg>'
        )


def short(count: float) -> str:
    """Return a count in few letters: 1500 is 1.5k."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.3g}"
