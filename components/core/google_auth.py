"""Google's application default credentials, found at once or missed at once."""

import socket
from typing import Any
from urllib.parse import urlsplit

from components.core.errors import SetupError

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

# On Google's machines the metadata server is one hop away and answers within milliseconds.
_METADATA_SECONDS = 0.5


def find_credentials() -> tuple[Any, str | None]:
    """Return credentials and the project that they name, if any.

    `google.auth.default` itself would look for a metadata server for ten seconds and more where
    there is none.

    Raises:
        SetupError: If there are none, or they cannot be read.
    """
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    try:
        credentials, project = google.auth.default(scopes=[SCOPE], request=_metadata_request)
    except GoogleAuthError as error:
        raise no_credentials(str(error)) from None
    return credentials, project


def no_credentials(found: str) -> SetupError:
    """Return the error that says how to get credentials."""
    return SetupError(
        "no usable Google credentials",
        where="application default credentials",
        expected="a login, a key file in GOOGLE_APPLICATION_CREDENTIALS, or a service account "
        "attached to this machine",
        found=found.splitlines()[0] if found else "none",
        remedy="gcloud auth application-default login",
    )


def _metadata_request(url: str, *args: Any, **options: Any) -> Any:
    """Ask the metadata server, if a connection to it can be made quickly."""
    from google.auth.exceptions import DefaultCredentialsError
    from google.auth.transport.requests import Request

    address = urlsplit(url)
    try:
        socket.create_connection(
            (address.hostname, address.port or 80), timeout=_METADATA_SECONDS
        ).close()
    except OSError:
        # Any other error would be tried again.
        raise DefaultCredentialsError("no login, no key file, no metadata server") from None
    return Request()(url, *args, **options)
