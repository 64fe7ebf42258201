"""What a person sees of what is written to a terminal, by an emulator that is not ours."""

import pyte


def screen(text: str, columns: int = 80) -> list[str]:
    """Return the lines that a terminal shows after `text`, but for the empty ones."""
    shown = pyte.Screen(columns, 24)
    # As the kernel's terminals do with a line feed.
    shown.set_mode(pyte.modes.LNM)
    pyte.Stream(shown).feed(text)
    return [line.rstrip() for line in shown.display if line.strip()]
