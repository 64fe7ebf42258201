"""Objects of s3:// by ETag.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html.
"""

import os
from typing import Any

from idxpipe.components.core.leases.conditional import Stamp, age
from idxpipe.components.core.stores.fsspec_store import FsspecStore


class S3Object:
    """An object of S3, or of a server that speaks its protocol; its version is its ETag.

    Args:
        uri: Where it is.

    Raises:
        SetupError: If the driver is not installed.
    """

    never = '"0"'
    # AWS does compare; of the many other servers some do not.
    trusted = False

    def __init__(self, uri: str) -> None:
        self._store = FsspecStore(uri)
        self._path = uri.partition("://")[2]
        self.store = f"{os.environ.get('AWS_ENDPOINT_URL', '')} {self._path.partition('/')[0]}"

    def read(self) -> Stamp | None:
        """Return the object; None if there is none."""
        found = self._store.request(self._path, "get_object")
        if found is None:
            return None
        date = found["ResponseMetadata"]["HTTPHeaders"].get("date")
        return Stamp(found["Body"], found["ETag"], age(date, found["LastModified"]))

    def write(self, content: bytes, version: str | None) -> str | None:
        """Write it if it still has this version, or for None if there is none."""
        condition: Any = {"IfMatch": version} if version else {"IfNoneMatch": "*"}
        done = self._store.request(self._path, "put_object", Body=content, **condition)
        return None if done is None else str(done["ETag"])

    def delete(self, version: str) -> None:
        """Delete it if it still has this version."""
        self._store.request(self._path, "delete_object", IfMatch=version)
