"""Let a model pass that is accurate enough, and not worse than the baseline."""

from collections.abc import Mapping
from typing import Any

from idxpipe.components.core.errors import DataError, GateError
from idxpipe.components.core.metrics import p_value_words, read_metrics
from idxpipe.components.core.narration import say
from idxpipe.components.gate.config import GateConfig


def gate(metrics: str, config: GateConfig) -> None:
    """Judge the model by its evaluation.

    Args:
        metrics: metrics.json of the evaluation; it holds the comparison with a baseline, if the
            evaluation was given one.
        config: What is good enough.

    Raises:
        DataError: If the metrics are missing or damaged.
        GateError: If the accuracy is below `config.min_accuracy`, or the model significantly worse
            than the baseline on the same examples.
    """
    facts = read_metrics(metrics)
    accuracy = facts["accuracy"]
    if accuracy < config.min_accuracy:
        raise GateError(
            "model is not accurate enough",
            where=metrics,
            expected=f"accuracy of at least {config.min_accuracy}",
            found=f"{accuracy:.6f}",
            remedy="train longer or better, or lower min_accuracy",
        )
    comparison = facts.get("baseline")
    if comparison is None:
        say(f"accuracy {accuracy:.4f} passes: at least {config.min_accuracy} was asked for")
        return
    try:
        _check_not_worse(comparison, accuracy, metrics)
    except (KeyError, TypeError, ValueError):
        raise DataError(
            "metrics do not tell how the model compares with the baseline",
            where=metrics,
            found=repr(comparison)[:80],
            remedy="evaluate the model again",
        ) from None
    say(
        f"accuracy {accuracy:.4f} passes: at least {config.min_accuracy} was asked for, "
        f"and the baseline has {comparison['accuracy']:.4f}"
    )


def _check_not_worse(comparison: Mapping[str, Any], accuracy: float, metrics: str) -> None:
    if comparison["p_value"] < comparison["alpha"]:
        raise GateError(
            "model is worse than the baseline on the same examples",
            where=metrics,
            expected=f"accuracy not below {comparison['accuracy']:.6f}, that of the baseline",
            found=f"{accuracy:.6f}: {comparison['lost']} examples lost, {comparison['won']} won, "
            f"{p_value_words(comparison['p_value'])} < {comparison['alpha']:g} "
            "(McNemar's exact test)",
            remedy="train longer or better, or keep the baseline's model",
        )
