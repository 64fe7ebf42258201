"""Weights and optimizer state on disk, each checkpoint whole or not there."""

import os
import re
from collections.abc import Callable

import keras
import tensorflow as tf

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, SetupError, is_of_disk
from idxpipe.components.core.narration import say
from idxpipe.components.train.network.model import statistics_of
from idxpipe.components.train.state.mirror import Mirror

_NAME = "ckpt"
_PARTIAL = "partial/.ATTRIBUTES/VARIABLE_VALUE"


class Checkpoints:
    """The checkpoints of one training.

    There is no data position and no random state in them: both are functions of the step.

    Args:
        uri: Folder they are in. A remote one is copied here at first, and what is saved is sent
            there at once, each checkpoint's index after its data: it is whole or not seen.
        model: Its weights are saved and restored.
        optimizer: Its state, with the global step, is saved and restored.
        keep: How many of the newest stay.
        lasts: Whether a checkpoint of a step is one of those; one that was saved on a signal is
            there only until the next.
    """

    def __init__(
        self,
        uri: str,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        keep: int,
        lasts: Callable[[int], bool],
    ) -> None:
        self._uri = uri
        storage.sweep(uri)
        self._mirror = Mirror(uri, _rank)
        self._mirror.pull()
        self._model = model
        self._optimizer = optimizer
        self._keep = keep
        self._lasts = lasts
        # The mean loss of the last loop, so that a finished training can be exported again.
        self._loss = tf.Variable(0.0, trainable=False, dtype=tf.float32)
        # Sum and number of the losses of a loop that was stopped within.
        self._partial = tf.Variable([0.0, 0.0], trainable=False, dtype=tf.float32)
        parts = {"model": model, "optimizer": optimizer, "loss": self._loss}
        self._state = tf.train.Checkpoint(**parts, partial=self._partial)
        # Of idxpipe 0.1.0 up to November 2026, which stopped between loops alone.
        self._older = tf.train.Checkpoint(**parts)

    @property
    def step(self) -> int:
        """The global step of the state in memory."""
        return int(self._optimizer.iterations.numpy())

    @property
    def loss(self) -> float:
        """The mean loss of the loop that ended in the state in memory."""
        return float(self._loss.numpy())

    @property
    def partial(self) -> tuple[float, int]:
        """The sum of the losses of the loop that was stopped within, and of how many steps."""
        total, steps = self._partial.numpy()
        return float(total), int(steps)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return float(self._optimizer.learning_rate)

    @property
    def newest(self) -> str:
        """What a message says about where training can go on."""
        found = list_checkpoints(self._uri)
        return f"step {max(found)} in {self._uri}" if found else "none"

    def is_finite(self) -> bool:
        """Tell whether every weight and moving average in memory is a finite number."""
        weights = [*self._model.trainable_variables, *statistics_of(self._model)]
        return all(bool(tf.reduce_all(tf.math.is_finite(w.value))) for w in weights)

    def save(self, loss: float, partial: tuple[float, int] = (0.0, 0)) -> None:
        """Save the state in memory.

        Args:
            loss: The mean loss of the last loop, or of what was taken of it.
            partial: Of a loop that was stopped within, the sum of the losses and their number.

        Raises:
            SetupError: If it cannot be written.
            TransientError: If a remote store fails again and again.
        """
        self._loss.assign(loss)
        self._partial.assign(partial)
        try:
            self._state.write(os.path.join(self._mirror.path, _name(self.step)))
            self.tidy()
        except (tf.errors.OpError, OSError) as error:
            raise SetupError(
                "cannot write a checkpoint",
                where=self._uri,
                found=str(error).splitlines()[0],
                remedy="free disk space or give another folder; training goes on from the last one",
            ) from None

    def restore(self) -> int | None:
        """Load the newest checkpoint that can be read, with a warning for each that cannot.

        Returns:
            Its global step, or None if there is none.

        Raises:
            DataError: If a checkpoint belongs to a different model, or all are damaged.
            SetupError: If the disk does not let one be read.
        """
        found = sorted(list_checkpoints(self._uri).items(), reverse=True)
        for step, path in found:
            local = os.path.join(self._mirror.path, storage.name_of(path))
            try:
                known = tf.train.load_checkpoint(local).has_tensor(_PARTIAL)
                (self._state if known else self._older).read(local).assert_consumed()
            # A file that is too short is an IndexError to TensorFlow.
            except (tf.errors.OpError, IndexError) as error:
                if is_of_disk(str(error)):
                    raise _unreadable(path, error) from None
                say(f"warning: checkpoint of step {step} is skipped: {error}")
                continue
            except (ValueError, AssertionError) as error:
                raise DataError(
                    "checkpoint belongs to a different model",
                    where=path,
                    found=str(error).splitlines()[0],
                    remedy="give another checkpoint folder",
                ) from None
            return step
        if found:
            # Not from step 0 without a word: the failed attempts left weights half loaded.
            raise DataError(
                "no checkpoint can be read",
                where=self._uri,
                found=f"{len(found)}, all damaged",
                remedy="remove the folder to train from the start",
            )
        return None

    def tidy(self) -> None:
        """Delete all but the newest, and what a killed process or a damaged disk left of others.

        Raises:
            TransientError: If a remote store fails again and again.
        """
        # A later one than the state in memory was not readable, or training would be there.
        found = [s for s in list_checkpoints(self._mirror.path) if s <= self.step]
        steps = sorted(s for s in found if s == max(found) or self._lasts(s))
        kept = [_name(step) for step in steps[-self._keep :]]
        if kept:
            self._list(kept)
        old = [
            name
            for name in os.listdir(self._mirror.path)
            if name.startswith(f"{_NAME}-") and name.partition(".")[0] not in kept
        ]
        # Without its index a checkpoint is none, whenever this is interrupted.
        for name in sorted(old, key=lambda name: not name.endswith(".index")):
            storage.delete(os.path.join(self._mirror.path, name))
        self._mirror.push()

    def _list(self, names: list[str]) -> None:
        """Write the list that tf.train.latest_checkpoint reads; here the files themselves count.

        Source: tensorflow/python/training/checkpoint_state.proto, as text.
        """
        lines = [f'model_checkpoint_path: "{names[-1]}"']
        lines += [f'all_model_checkpoint_paths: "{name}"' for name in names]
        text = "\n".join(lines) + "\n"
        storage.write(os.path.join(self._mirror.path, "checkpoint"), text.encode())


def list_checkpoints(uri: str) -> dict[int, str]:
    """Return the URI of every checkpoint in the folder `uri`, without a suffix, by global step.

    The index file is the last that TensorFlow writes of one. TensorFlow's own list, the file
    `checkpoint`, can be missing or behind after a crash.
    """
    found = {}
    for name in storage.list_files(uri):
        match = re.fullmatch(rf"{_NAME}-(\d+)\.index", name)
        if match:
            found[int(match[1])] = storage.join(uri, name.removesuffix(".index"))
    return found


def _unreadable(path: str, error: Exception) -> SetupError:
    """Return the error of a checkpoint that may be whole: the disk does not give it."""
    return SetupError(
        "checkpoint cannot be read",
        where=path,
        found=str(error).splitlines()[0],
        remedy="see what the kernel says of the disk or the mount (dmesg), then run the same "
        "command again; or move this checkpoint away, to go on from an earlier one",
    )


def _name(step: int) -> str:
    return f"{_NAME}-{step}"


def _rank(name: str) -> int:
    """Rank a file for sending: data, then the index that makes it a checkpoint, then the rest."""
    if name.startswith(f"{_NAME}-"):
        return 1 if name.endswith(".index") else 0
    return 2
