"""Which of the splits that a source names become the training and the test split."""

from collections.abc import Iterable

from idxpipe.components.intake.names import TEST, TRAIN, VALIDATION


def choose_splits(named: Iterable[str]) -> dict[str, str]:
    """Return for each split that is used what it becomes.

    A validation split stands in for a test split that is missing; beside one it is not used. Where
    nothing is named after the training split, only what is named after none is used.

    Args:
        named: Splits that a source names; empty is what is named after none.
    """
    there = set(named)
    if TRAIN not in there:
        return {"": ""} if "" in there else {}
    held = TEST if TEST in there else VALIDATION if VALIDATION in there else ""
    return {TRAIN: TRAIN, **({held: TEST} if held else {})}
