"""What two splits look like side by side: which way round, on what ground, of what scale."""

from collections.abc import Iterator

from idxpipe.components.core.codes import Code
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx import look
from idxpipe.components.validate.appearance import look_of
from idxpipe.components.validate.split import Split


def scales(train: Split, test: Split) -> Iterator[DataError]:
    """Yield an error if pixels of the splits cannot be of one scale."""
    one, other = train.pixels, test.pixels
    if one is None or other is None or train.images.header.dtype != test.images.header.dtype:
        return
    narrow = min(one, other, key=lambda facts: facts.maximum - facts.minimum)
    # A few images may all be faint, but none is brighter than its scale.
    if narrow.images < look.FEWEST_IMAGES or narrow.minimum == narrow.maximum:
        return
    ranges = [(facts.minimum, facts.maximum) for facts in (one, other)]
    if look.scales_differ(*ranges):
        yield DataError(
            "test pixels are of another scale than training pixels",
            where=test.images.uri,
            offset=test.images.header.data_offset,
            expected="about {:g} to {:g}".format(*ranges[0]) + f", as in {train.images.uri}",
            found="{:g} to {:g}".format(*ranges[1]),
            remedy="scale both splits alike",
            code=Code.SPLIT_SCALES,
        )


def looks(train: Split, test: Split) -> Iterator[DataError]:
    """Yield a warning if one split looks turned over or inverted and the other does not."""
    if train.pixels is None or test.pixels is None:
        return
    one, other = look_of(train.pixels), look_of(test.pixels)
    ways = ("upright", "on their side"), ("on a dark ground", "on a bright ground")
    for (usual, odd), tell, tell_odd, remedy in (
        (ways[0], look.is_tall, look.is_wide, "store both splits in the same order of pixels"),
        (ways[1], look.is_dark, look.is_inverted, "subtract its pixels from their maximum"),
    ):
        for wrong, facts, other_facts in ((test, other, one), (train, one, other)):
            if tell_odd(facts) and tell(other_facts):
                right = train if wrong is test else test
                yield DataError(
                    f"images of the splits look different: {odd} and {usual}",
                    where=wrong.images.uri,
                    expected=f"signs {usual}, as in {right.images.uri}",
                    found=f"signs {odd}",
                    remedy=f"{remedy}; whichever is the odd one, models learn from one and are "
                    "judged by the other",
                    code=Code.SPLIT_LOOKS,
                )
