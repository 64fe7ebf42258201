"""What goes wrong with Google Cloud Storage, in our words: what it is and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from idxpipe.components.core.errors import (
    PROXY_REFUSES,
    DataError,
    IdxpipeError,
    SetupError,
    TransientError,
    proxy_refuses,
)
from idxpipe.components.core.google.auth import no_credentials

# Source: https://cloud.google.com/storage/docs/json_api/v1/status-codes
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _PRECONDITION = 401, 403, 404, 412
_NO_BUCKET = "bucket does not exist"
_TRANSIENT = {408, 429, 500, 502, 503, 504}


@contextmanager
def gcs_faults(uri: str) -> Iterator[None]:
    """Turn errors of Google's client into ours.

    Args:
        uri: What is being read or written.

    Raises:
        DataError: If there is no such object.
        SetupError: If the bucket, the credentials or the right to use them are missing.
        TransientError: If the service or the network failed for longer than is waited for.
    """
    import requests
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth
    from google.cloud.storage.exceptions import DataCorruption

    try:
        yield
    except IdxpipeError:
        raise
    except api.GoogleAPICallError as error:
        raise _of_status(uri, error.code or 0, error.message or str(error)) from None
    except api.RetryError as error:
        raise _transient(uri, str(error.cause or error)) from None
    except auth.TransportError as error:
        raise _transient(uri, str(error)) from None
    except auth.GoogleAuthError as error:
        raise no_credentials(str(error)) from None
    except (requests.RequestException, ConnectionError, TimeoutError, DataCorruption) as error:
        raise _transient(uri, str(error)) from None


def no_such_bucket(uri: str) -> SetupError:
    """Return the error for a bucket that is not there."""
    bucket = _bucket(uri)
    return SetupError(
        "no such bucket",
        where=uri,
        expected=f"the bucket {bucket}",
        found="none of that name",
        remedy=f"check its spelling, or make it: gcloud storage buckets create gs://{bucket}",
    )


def no_such_object(uri: str) -> DataError:
    """Return the error for an object that is not there."""
    return DataError("no such file", where=uri, remedy="check the path and its spelling")


def _of_status(uri: str, status: int, message: str) -> IdxpipeError:
    found = f"{status}: {_one_line(message)}"
    if status in _TRANSIENT:
        return _transient(uri, found)
    if status == _NOT_FOUND:
        return no_such_bucket(uri) if _NO_BUCKET in message.lower() else no_such_object(uri)
    if status == _PRECONDITION:
        return DataError(
            "file changed while it was in use", where=uri, found=found, remedy="start again"
        )
    return _refusal(uri, status, message, found)


def _refusal(uri: str, status: int, message: str, found: str) -> SetupError:
    bucket = _bucket(uri)
    if "billing" in message.lower():
        return SetupError(
            "billing is disabled for the bucket's project",
            where=uri,
            found=found,
            remedy="gcloud billing projects link PROJECT --billing-account=ACCOUNT",
        )
    if "requester pays" in message.lower():
        return SetupError(
            "bucket lets its readers pay, which is not supported",
            where=uri,
            found=found,
            remedy=f"copy it: gcloud storage cp --billing-project=PROJECT -r gs://{bucket}/... DIR",
        )
    if status == _UNAUTHORIZED:
        return no_credentials(found)
    if status == _FORBIDDEN:
        return SetupError(
            "no right to do this in the bucket",
            where=uri,
            expected="roles/storage.objectAdmin, or objectViewer to read",
            found=found,
            remedy=f"gcloud storage buckets add-iam-policy-binding gs://{bucket} "
            "--member=user:YOU --role=roles/storage.objectAdmin",
        )
    return SetupError("Cloud Storage refuses this", where=uri, found=found)


def _transient(uri: str, found: str) -> IdxpipeError:
    if PROXY_REFUSES in found:
        return proxy_refuses(uri, _one_line(found))
    return TransientError(
        "Cloud Storage cannot be reached, or fails again and again",
        where=uri,
        found=_one_line(found),
        remedy="check the network, then run the same command again",
    )


def _bucket(uri: str) -> str:
    return uri.partition("://")[2].partition("/")[0]


def _one_line(text: str, limit: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[:limit] + " ..."
