"""Which object of which store a URI means, where the store can compare versions."""

from idxpipe.components.core.leases.conditional import Conditional


def conditional(uri: str) -> Conditional | None:
    """Return the object at `uri`; None where the kind of store has no conditions.

    Raises:
        SetupError: If there are no credentials, or the driver is not installed.
    """
    kind, _, path = uri.partition("://")
    if kind.lower() == "gs":
        from idxpipe.components.core.leases.gcs import GcsObject

        return GcsObject(path)
    if kind.lower() == "s3":
        from idxpipe.components.core.leases.s3 import S3Object

        return S3Object(uri)
    return None
