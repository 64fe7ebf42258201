"""What one conversion says when another one works in the same folder at the same time."""

from idxpipe.components.core.errors import TransientError


def in_the_way(output: str) -> TransientError:
    """Return the error for the conversion that lost."""
    return TransientError(
        "another conversion works in the same folder",
        where=output,
        found="files of this conversion that were deleted",
        remedy="run one at a time, or give each a folder of its own; then run this one again",
    )
