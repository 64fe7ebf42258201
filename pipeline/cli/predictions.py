"""Predictions as text, line by line as they come."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from idxpipe.components.evaluate.predict import Prediction, Task

TABLE, JSONL = FORMATS = ("table", "jsonl")


def as_lines(task: "Task", predictions: "Iterator[Prediction]", form: str) -> Iterator[str]:
    """Yield predictions as lines.

    Args:
        task: What is predicted: how wide a table's columns are.
        predictions: Its predictions.
        form: One of `FORMATS`: a table with a head, or one JSON document a line.
    """
    if form == JSONL:
        return (json.dumps(prediction.to_json()) for prediction in predictions)
    return _table(task, predictions)


def _table(task: "Task", predictions: "Iterator[Prediction]") -> Iterator[str]:
    wide = max(len(source.uri) for source in task.sources)
    k = min(task.config.top_k, task.card.num_classes)
    head = f"{'file':<{wide}}{'index':>8}" + f"{'class':>7}{'probability':>13}" * k
    for prediction in predictions:
        # Not before there is something to show: an error is all there is then.
        if head:
            yield head
            head = ""
        pairs = zip(prediction.classes, prediction.probabilities, strict=True)
        shown = "".join(f"{number:>7}{share:>13.4f}" for number, share in pairs)
        yield f"{prediction.file:<{wide}}{prediction.index:>8}{shown}"
