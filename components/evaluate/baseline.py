"""A model against an earlier evaluation: is it worse on the same examples?"""

import base64
import binascii
import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.metrics import METRICS, read_metrics
from idxpipe.components.evaluate.metrics.mcnemar import Comparison, mcnemar
from idxpipe.components.evaluate.metrics.outcomes import Examples


@dataclasses.dataclass(frozen=True)
class Baseline:
    """An earlier evaluation.

    Attributes:
        uri: Its metrics.json.
        accuracy: Its accuracy.
        num_examples: How many examples were evaluated.
        examples: Which, and which of them were right.
    """

    uri: str
    accuracy: float
    num_examples: int
    examples: Examples


def read_baseline(uri: str) -> Baseline:
    """Read what an earlier evaluation found.

    Args:
        uri: Its metrics.json, or the folder that holds it.

    Raises:
        DataError: If it is missing, damaged, or does not tell which examples were right.
    """
    inside = storage.join(uri, METRICS)
    file = inside if storage.exists(inside) else uri
    facts = read_metrics(file)
    try:
        examples = Examples(**facts["examples"])
        return _checked(Baseline(file, facts["accuracy"], facts["num_examples"], examples))
    except (ValueError, KeyError, TypeError):
        raise DataError(
            "metrics do not tell which examples were classified right",
            where=file,
            expected="the evaluation's `examples`, as many as its `num_examples`",
            remedy="check the path of the baseline, or evaluate it again",
        ) from None


def compare(baseline: Baseline, examples: Examples, count: int, alpha: float) -> Comparison:
    """Compare a model with the baseline.

    Args:
        baseline: From `read_baseline`.
        examples: What the model was evaluated on, and what it got right.
        count: How many examples that is.
        alpha: Of the test.

    Raises:
        DataError: If they were evaluated on other examples, or in another order.
    """
    for role in ("images", "labels"):
        theirs, ours = getattr(baseline.examples, role), getattr(examples, role)
        if theirs != ours:
            raise DataError(
                f"baseline was evaluated on other examples: {role} differ",
                where=baseline.uri,
                expected=f"{count} examples, {role} {ours}",
                found=f"{baseline.num_examples} examples, {role} {theirs}",
                remedy="evaluate the baseline's model on this dataset, with the same eval_steps "
                "and eval_batch_size",
            )
    theirs, ours = _right(baseline.examples, count), _right(examples, count)
    lost, won = int((theirs & ~ours).sum()), int((ours & ~theirs).sum())
    return Comparison(baseline.accuracy, lost, won, mcnemar(lost, won), alpha)


def _checked(baseline: Baseline) -> Baseline:
    """Check what `compare` relies on.

    Raises:
        ValueError: If the parts contradict each other.
    """
    values: dict[str, Any] = dataclasses.asdict(baseline.examples)
    if not all(isinstance(value, str) for value in values.values()):
        raise ValueError("examples")
    right = _right(baseline.examples, baseline.num_examples)
    if baseline.num_examples < 1 or int(right.sum()) / baseline.num_examples != baseline.accuracy:
        raise ValueError("accuracy")
    return baseline


def _right(examples: Examples, count: int) -> NDArray[np.bool_]:
    try:
        packed = np.frombuffer(base64.b64decode(examples.right, validate=True), np.uint8)
    except binascii.Error as error:
        raise ValueError("right") from error
    if len(packed) != -(-count // 8):
        raise ValueError("right")
    return np.unpackbits(packed, count=count).astype(bool)
