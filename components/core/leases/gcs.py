"""Objects of gs:// by generation.

Source: https://cloud.google.com/storage/docs/request-preconditions.
"""

import os
from contextlib import suppress
from typing import Any

from idxpipe.components.core.leases.conditional import Stamp, age
from idxpipe.components.core.stores.gcs import gcs_store
from idxpipe.components.core.stores.gcs_errors import gcs_faults, no_such_bucket

# Shorter than of other requests: one that hangs must not outlast the lease.
_DEADLINE_SECONDS = 20.0
_TIMEOUT_SECONDS = (5, 10)


class GcsObject:
    """An object of Cloud Storage; its version is its generation.

    Args:
        path: `bucket/name`.

    Raises:
        SetupError: If there are no credentials.
    """

    never = "1"

    def __init__(self, path: str) -> None:
        self._store = gcs_store()
        self._bucket, _, self._name = path.partition("/")
        self._uri = f"gs://{path}"
        self._how = self._store.within(_DEADLINE_SECONDS, _TIMEOUT_SECONDS)
        # One of the emulators that are in use here passes over every condition.
        emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")
        self.trusted = not emulator
        self.store = f"{emulator} {self._bucket}"

    def read(self) -> Stamp | None:
        """Return the object; None if there is none."""
        from google.api_core.exceptions import NotFound

        with gcs_faults(self._uri):
            while True:
                blob = self._store.client.bucket(self._bucket).get_blob(self._name, **self._how)
                if blob is None:
                    return None
                seconds = age(self._store.date, blob.updated)
                try:
                    content = blob.download_as_bytes(raw_download=True, checksum=None, **self._how)
                except NotFound:
                    # Written again since.
                    continue
                return Stamp(content, str(blob.generation), seconds)

    def write(self, content: bytes, version: str | None) -> str | None:
        """Write it if it still has this version, or for None if there is none."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        blob = self._blob()
        with gcs_faults(self._uri):
            try:
                blob.upload_from_string(
                    content,
                    content_type="application/json",
                    if_generation_match=int(version or 0),
                    **self._how,
                )
            except PreconditionFailed:
                return None
            except NotFound:
                if version is None:
                    raise no_such_bucket(self._uri) from None
                return None
        return str(blob.generation)

    def delete(self, version: str) -> None:
        """Delete it if it still has this version."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        with gcs_faults(self._uri), suppress(NotFound, PreconditionFailed):
            self._blob().delete(if_generation_match=int(version), **self._how)

    def _blob(self) -> Any:
        return self._store.client.bucket(self._bucket).blob(self._name)
