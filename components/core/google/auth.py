"""Google's application default credentials, found at once or missed at once."""

import os
import socket
import warnings
from typing import Any
from urllib.parse import urlsplit

from idxpipe.components.core.errors import SetupError

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LOGIN = "gcloud auth application-default login"

# On Google's machines the metadata server is one hop away and answers within milliseconds.
_METADATA_SECONDS = 0.5


def find_credentials() -> tuple[Any, str | None]:
    """Return credentials and the project that they name, if any.

    `google.auth.default` itself would look for a metadata server for ten seconds and more where
    there is none, and where there is a login, start gcloud for a second to ask it for a project.

    Raises:
        SetupError: If there are none, or they cannot be read.
    """
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    login = _login_file()
    try:
        if os.path.isfile(login) and not os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
            with warnings.catch_warnings():
                # That a file may name another token server; this one is the user's own.
                warnings.simplefilter("ignore", DeprecationWarning)
                credentials, project = google.auth.load_credentials_from_file(login, [SCOPE])
        else:
            credentials, project = google.auth.default(scopes=[SCOPE], request=_metadata_request)
    except GoogleAuthError as error:
        raise no_credentials(str(error)) from None
    except OSError as error:
        raise no_credentials(f"{error.filename}: {error.strerror or error}") from None
    return credentials, project


def anonymous() -> Any:
    """Return credentials that send nothing."""
    from google.auth.credentials import AnonymousCredentials

    return AnonymousCredentials()


def ignore_netrc(session: Any) -> None:
    """Have a session of requests send the credentials that it was made with, and no others.

    Without an `auth` of its own, requests puts what ~/.netrc has for a host in place of a token,
    over plain http, too. Source: `Session.prepare_request` of requests 2.32.
    """
    session.auth = lambda request: request


def no_credentials(found: str) -> SetupError:
    """Return the error that says how to get credentials."""
    return SetupError(
        "no usable Google credentials",
        where="application default credentials",
        expected="a login, a key file in GOOGLE_APPLICATION_CREDENTIALS, or a service account "
        "attached to this machine",
        found=found.splitlines()[0] if found else "none",
        remedy=LOGIN,
    )


def _login_file() -> str:
    """Return where gcloud puts a login.

    Source: https://cloud.google.com/docs/authentication/application-default-credentials
    """
    home = os.environ.get("CLOUDSDK_CONFIG") or os.path.expanduser("~/.config/gcloud")
    return os.path.join(home, "application_default_credentials.json")


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
