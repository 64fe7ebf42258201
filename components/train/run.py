"""Host side of the training: loop after loop, with its checkpoints, until the last step."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from idxpipe.components.core.errors import DataError, TransientError
from idxpipe.components.core.events import Event, emit
from idxpipe.components.core.narration import say
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.preemption import noticed_preemption
from idxpipe.components.train.state.checkpoints import Checkpoints
from idxpipe.components.train.state.history import History
from idxpipe.components.train.step import Loop
from idxpipe.components.train.timed_batches import TimedBatches
from idxpipe.components.train.validation import Scores


def run(
    config: TrainConfig,
    loop: Loop,
    batches: Callable[[int, int], Any],
    saved: Checkpoints,
    history: History,
    stop: tf.Variable,
    validate: Callable[[], Scores] | None = None,
) -> list[float]:
    """Train from the step in memory to `config.train_steps`.

    A loop ends at every multiple of `config.iterations`, wherever the training began, so that
    loops and checkpoints are the same for a resumed training as for an uninterrupted one.

    Args:
        config: The recipe.
        loop: From `make_loop`.
        batches: From the first step and the end step to the batches.
        saved: The state in memory and its checkpoints.
        history: Takes a point per loop; published and closed at the end.
        stop: Ends the loop after the step that is under way.
        validate: Scores the state in memory, if there is a validation set.

    Returns:
        Examples per second of each loop.

    Raises:
        DataError: If the loss or a weight is no longer a finite number.
        TransientError: If a signal came before the last step; the state is saved.
    """
    saved.tidy()
    rates: list[float] = []
    step = saved.step
    if step >= config.train_steps:
        return rates
    stream = TimedBatches(batches(step, config.train_steps))
    total, count = saved.partial
    emit(Event("train", doing="compiling the step"))
    with noticed_preemption(lambda: _answer(stop)) as preempted, history:
        while step < config.train_steps:
            end = min((step // config.iterations + 1) * config.iterations, config.train_steps)
            began = time.perf_counter()
            summed, taken = loop(stream, tf.constant(end - step), tf.constant(total, tf.float32))
            total, count, at = float(summed), count + int(taken), step + int(taken)
            seconds = time.perf_counter() - began
            rates.append((at - step) * config.batch_size / seconds)
            loss = float(np.float32(total) / np.float32(count))
            _check_finite(loss, step, at, saved)
            emit(_event(at, config, (at - step) / seconds, loss))
            if at < end:
                history.save()
                saved.save(loss, (total, count))
                raise _stopped(at, config)
            last = end == config.train_steps
            scored = validate and is_due(config, config.validation_steps, end)
            history.add(
                end,
                loss=loss,
                learning_rate=saved.learning_rate,
                examples_per_second=rates[-1],
                input_wait=stream.take_seconds() / seconds,
                **(validate() if validate and scored else {}),
            )
            ask = preempted() and not last
            if is_due(config, config.checkpoint_steps, end) or ask:
                history.save()
                saved.save(loss)
            step, total, count = end, 0.0, 0
            if ask:
                raise _stopped(step, config)
    return rates


def is_due(config: TrainConfig, every: int, step: int) -> bool:
    """Tell whether what is done every so many steps is done at the end of a loop.

    It does not matter where the loop began: a training that was stopped within may have resumed
    there.
    """
    if step == config.train_steps:
        return True
    at_end = step % config.iterations == 0
    return at_end and step // every > (step - config.iterations) // every


def _answer(stop: tf.Variable) -> None:
    stop.assign(True)
    say("stopping: a checkpoint is saved after this step; a second signal ends it without one")


def _stopped(step: int, config: TrainConfig) -> TransientError:
    return TransientError(
        f"training was asked to stop at step {step} of {config.train_steps}, checkpoint saved",
        found="SIGTERM, SIGHUP or Ctrl-C",
        remedy="the same command goes on from there",
    )


def _event(step: int, config: TrainConfig, rate: float, loss: float) -> Event:
    figures = {"loss": loss, "examples/s": round(rate * config.batch_size)}
    return Event(
        "train", done=step, total=config.train_steps, unit="steps", rate=rate, figures=figures
    )


def _check_finite(loss: float, step: int, end: int, saved: Checkpoints) -> None:
    if not math.isfinite(loss):
        raise _diverged(f"the loss became {loss}", step, end, saved)
    # Not the same: relu and pooling can turn NaN into a number on the way to the loss.
    if not saved.is_finite():
        raise _diverged("a weight is no longer finite", step, end, saved)


def _diverged(what: str, step: int, end: int, saved: Checkpoints) -> DataError:
    return DataError(
        f"training diverged: {what}",
        where=f"steps {step} to {end - 1}",
        found=f"last good checkpoint: {saved.newest}",
        remedy="lower learning_rate, or look for broken values in the images; nothing was exported",
    )
