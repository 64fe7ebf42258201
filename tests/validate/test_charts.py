import re

from idxpipe.components.validate.charts import bars


def heights(svg):
    return [float(height) for height in re.findall(r'<rect [^>]*height="([0-9.]+)"', svg)]


def test_bars_are_as_high_as_their_counts():
    one, other, none, least = heights(
        bars("n", [1000, 500, 0, 1], list("abcd"), ("Examples", "class"))
    )
    assert one == 2 * other
    assert none == 0
    assert least == 1


def test_heights_of_logarithms():
    one, other = heights(bars("n", [10**6 - 1, 10**3 - 1], list("ab"), ("Examples", "class"), True))
    assert abs(one / other - 2) < 1e-3


def test_many_bars_have_some_labels_and_all_titles():
    svg = bars("n", list(range(300)), [str(n) for n in range(300)], ("Examples", "class"))
    assert svg.count("<title>") == 300
    assert 9 <= svg.count('class="middle"') <= 13


def test_no_examples_at_all_are_bars_of_no_height():
    assert heights(bars("n", [0, 0], list("ab"), ("Examples", "class"))) == [0, 0]


def test_names_are_escaped():
    assert "<b>" not in bars("<b>", [1], ["<b>"], ("<b>", "<b>"))
