"""What stages arrange around the import of TensorFlow or Beam; neither is imported here."""

import gc
import logging
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from idxpipe.components.core import narration
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.events import Event, emit
from idxpipe.components.core.google import tpu_runtime

# What Keras and TensorFlow Lite import where it is installed, to wrap models as estimators and to
# convert functions of JAX: nothing of ours does either, and it takes longer than Keras itself.
# Source: keras/src/wrappers/sklearn_wrapper.py, tensorflow/lite/python/util.py.
_PEERS = ("jax", "sklearn")
_STDERR = 2


@contextmanager
def quiet_import(stage: str = "") -> Iterator[None]:
    """Import TensorFlow and start its devices inside this block, without its noise on stderr.

    TensorFlow's native libraries log to file descriptor 2 before they read `TF_CPP_MIN_LOG_LEVEL`,
    so the descriptor itself is turned aside. If TensorFlow fails, all that was said is shown. What
    we say ourselves, as of a TPU that is waited for, is heard.

    Args:
        stage: What is said to be loading it, as it takes seconds; empty says nothing.
    """
    if stage:
        emit(Event(stage, doing="loading TensorFlow"))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # TensorFlow itself turns oneDNN on where the CPU has AVX512_VNNI or newer, and with it off the
    # network of 2018 trains at 0.56 of the speed on one that has AVX2 only.
    if platform.machine() == "x86_64":
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    tpu_runtime.ask_nobody(os.environ)
    # Whoever turns the root logger to INFO, as the KFP launcher does, did not mean these.
    for name in ("absl", "tensorflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # A user's ~/.keras/keras.json may name another backend.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    sys.stderr.flush()
    with tempfile.TemporaryFile() as log:
        stderr = os.dup(_STDERR)
        os.dup2(log.fileno(), _STDERR)
        try:
            with _own_words(stderr), without_gc(), _without_peers():
                yield
        except IdxpipeError:
            raise
        except BaseException:
            os.dup2(stderr, _STDERR)
            os.write(_STDERR, os.pread(log.fileno(), 1 << 20, 0))
            raise
        finally:
            os.dup2(stderr, _STDERR)
            os.close(stderr)


def _own_words(descriptor: int) -> AbstractContextManager[None]:
    """Have our own words go to a descriptor, if they would go to the one that is turned aside."""
    try:
        aside = sys.stderr.fileno() == _STDERR
    except (OSError, ValueError, AttributeError):
        # A notebook's, or one that somebody has put in its place.
        aside = False
    return narration.speaking_through(descriptor) if aside else nullcontext()


@contextmanager
def without_gc() -> Iterator[None]:
    """Keep the garbage collector from what is made in this block: it lives as long as the process.

    Looking through it again and again, the last time when Python ends, takes a third of the time of
    a process that only imports Beam, and almost half of one that only imports TensorFlow.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


@contextmanager
def _without_peers() -> Iterator[None]:
    """Have `_PEERS` not found in this block, in a process that is a stage or a command of ours.

    In anybody else's, as a notebook, Keras keeps what it finds at its import.
    """
    ours = os.environ.get("_KFP_RUNTIME") == "true" or "idxpipe.pipeline.cli.main" in sys.modules
    left_out = [name for name in _PEERS if ours and name not in sys.modules]
    sys.modules.update(dict.fromkeys(left_out))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in left_out:
            sys.modules.pop(name, None)
