"""What train and evaluate arrange around TensorFlow; TensorFlow itself is not imported here."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from components.core import storage
from components.core.errors import (
    CONVERT_AGAIN,
    DataError,
    IdxpipeError,
    SetupError,
    TransientError,
)
from components.core.lasting import lasting

# Source: https://github.com/abseil/abseil-cpp/blob/master/absl/status/status.h
_PASSING = {4, 10, 14}  # deadline exceeded, aborted, unavailable
_FORBIDDEN = {7, 16}  # permission denied, unauthenticated


@contextmanager
def quiet_import() -> Iterator[None]:
    """Import TensorFlow and start its devices inside this block, without its noise on stderr.

    TensorFlow's native libraries log to file descriptor 2 before they read `TF_CPP_MIN_LOG_LEVEL`,
    so the descriptor itself is turned aside. If TensorFlow fails, all that was said is shown.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # A user's ~/.keras/keras.json may name another backend.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    sys.stderr.flush()
    with tempfile.TemporaryFile() as log:
        stderr = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            with lasting():
                yield
        except IdxpipeError:
            raise
        except BaseException:
            os.dup2(stderr, 2)
            os.write(2, os.pread(log.fileno(), 1 << 20, 0))
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def records_error(uri: str, code: int, message: str) -> IdxpipeError:
    """Return the error for records that TensorFlow could not read.

    Args:
        uri: Where they are.
        code: TensorFlow's error code.
        message: Its message.
    """
    found = (message.partition("}} ")[2] or message).partition(" [Op:")[0]
    if not storage.is_local(uri) and code in _PASSING:
        return TransientError(
            "records cannot be streamed",
            where=uri,
            found=found,
            remedy="check the network, then run the same command again; "
            "with a stage_bytes above their size they are copied first",
        )
    if not storage.is_local(uri) and code in _FORBIDDEN:
        return SetupError(
            "no right to stream these records",
            where=uri,
            found=found,
            remedy="gcloud auth application-default login, with an account that may read them",
        )
    return DataError(
        "records cannot be read",
        where=uri,
        expected="TFRecords of tf.train.Example with `image` and `label`",
        found=found,
        remedy=CONVERT_AGAIN,
    )


def tf_path(uri: str) -> str:
    """Return `uri` as TensorFlow's file layer takes it: a plain path if it is local."""
    return storage.local_path(uri) if storage.is_local(uri) else uri
