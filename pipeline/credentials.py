"""Who we are to Google Cloud."""

from typing import Any

from components.core.google_auth import LOGIN, find_credentials

__all__ = ["LOGIN", "find"]


def find() -> Any:
    """Return application default credentials.

    Raises:
        SetupError: If there are none, or they cannot be read.
    """
    return find_credentials()[0]
