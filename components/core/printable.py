"""Text from outside, such as names in an archive, as something that a terminal only shows."""

_ELLIPSIS = "..."


def printable(text: str, most: int = 200) -> str:
    r"""Return `text` on one line, with what is not printed spelt out, such as `\x1b` or `\u202e`.

    Args:
        text: Any text; also one with lone surrogates, as file names that are not UTF-8 have.
        most: Longer text is cut in the middle, since names differ at their ends.
    """
    spelt = "".join(c if c.isprintable() and c != "\\" else _spelt(c) for c in text)
    if len(spelt) <= most:
        return spelt
    kept = most - len(_ELLIPSIS)
    return spelt[: kept - kept // 2] + _ELLIPSIS + spelt[-(kept // 2) :]


def visible(text: str) -> str:
    """Return `text` with what a terminal would act on, or hide, spelt out; lines stay lines."""
    if text.isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else _spelt(c) for c in text)


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode()
