"""Time several ways of doing one thing, in turn, and print medians and ratios."""

import statistics
import time
from collections.abc import Callable, Mapping


def compare(
    title: str,
    ways: Mapping[str, Callable[[], object]],
    rounds: int = 5,
    *,
    bases: int = 1,
    size: int = 0,
) -> None:
    """Run each way once per round, in order; print each median against those of the first.

    A machine's speed drifts from minute to minute: what is compared runs in the same minute.

    Args:
        title: What is measured.
        ways: By name. One that returns a float has timed itself, in seconds.
        rounds: How often, after a round that is not counted.
        bases: How many of the ways, from the first, the others are measured against.
        size: Bytes that each way goes through, to print how many per second; 0 prints none.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            own = way()
            if turn:
                took = own if isinstance(own, float) else time.perf_counter() - start
                seconds[name].append(took)
    print(f"\n{title} ({rounds} rounds)")
    for name, times in seconds.items():
        line = f"  {name:<44}{statistics.median(times):>9.3f} s"
        if size:
            line += f"{size / statistics.median(times) / 1e9:>7.2f} GB/s"
        for base in list(seconds.values())[:bases]:
            ratios = [mine / other for mine, other in zip(times, base, strict=True)]
            line += f"{statistics.median(ratios):>9.2f} x  ({min(ratios):.2f} to {max(ratios):.2f})"
        print(line, flush=True)
