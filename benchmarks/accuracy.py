"""Test accuracies of whole trainings over several seeds, parts of `make bench-train`."""

import statistics
from collections.abc import Mapping

from benchmarks.training import Ours, mnist

# The network of 2018 made quick. Learning rate, warmup and number of steps were tuned on 5,000
# examples held out of the training split, as for `fast`.
QUICK_CNN = {
    "train_steps": 200,
    "optimizer": "adamw",
    "learning_rate": 0.012,
    "schedule": "one-cycle",
    "warmup": 0.2,
    "label_smoothing": 0.1,
}


def fast() -> None:
    """Seconds to 99.0 %: recipe fast, and the network of 2018 made quick."""
    ways = {
        "recipe fast": {"recipe": "fast"},
        "cnn, AdamW, one-cycle, label smoothing": QUICK_CNN,
    }
    seconds, _ = _train(ways, seeds=5)
    ours, others = seconds.values()
    ratios = [mine / other for mine, other in zip(ours, others, strict=True)]
    print(f"  seconds, the first over the second: median {statistics.median(ratios):.2f}")


def best() -> None:
    """What recipe best reaches: half an hour and more on two cores."""
    _train({"recipe best": {"recipe": "best"}}, seeds=5)


def precision() -> None:
    """Recipe fast in both precisions; a quarter of an hour where the CPU has no bfloat16."""
    ways = {name: {"recipe": "fast", "precision": name} for name in ("float32", "bfloat16")}
    _, accuracy = _train(ways, seeds=10)
    exact, rounded = accuracy.values()
    differences = [b - a for a, b in zip(exact, rounded, strict=True)]
    error = statistics.stdev(differences) / len(differences) ** 0.5
    print(
        f"  bfloat16 less float32, seed by seed: mean {statistics.mean(differences):+.5f},"
        f" standard error {error:.5f}"
    )


def _train(
    ways: Mapping[str, Mapping[str, object]], seeds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Train each way with each seed, in turn; return and print seconds and test accuracies."""
    train, test = mnist("train"), mnist("t10k")
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    accuracy: dict[str, list[float]] = {name: [] for name in ways}
    print()
    for seed in range(seeds):
        for name, changes in ways.items():
            training = Ours(train, seed=seed, **changes)
            seconds[name].append(training.whole())
            accuracy[name].append(training.accuracy(test))
            took, found = seconds[name][-1], accuracy[name][-1]
            print(f"  seed {seed}: {name:<44}{took:>9.3f} s  {found:.4f}", flush=True)
    print(f"\nseconds of training and test accuracy, medians of {seeds} seeds")
    for name, times in seconds.items():
        found = accuracy[name]
        print(
            f"  {name:<44}{statistics.median(times):>9.3f} s"
            f"  {statistics.median(found):.4f} ({min(found):.4f} to {max(found):.4f})"
        )
    return seconds, accuracy
