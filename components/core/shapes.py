"""Image shapes as text: `28x28` or `32x32x3`."""

from idxpipe.components.core.errors import UsageError

AUTO = "auto"


def format_shape(shape: tuple[int, ...]) -> str:
    """Return (28, 28) as `28x28`."""
    return "x".join(map(str, shape))


def parse_shape(text: str) -> tuple[int, ...] | None:
    """Return `28x28` or `32x32x3` as a tuple; None for `auto`.

    Raises:
        UsageError: If it is neither.
    """
    if text == AUTO:
        return None
    try:
        shape = tuple(int(size) for size in text.split("x"))
    except ValueError:
        shape = ()
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise UsageError(
            "not an image shape",
            where="image_shape",
            expected=f"HEIGHTxWIDTH, HEIGHTxWIDTHxCHANNELS or {AUTO}",
            found=repr(text),
        )
    return shape
