"""The REST client, under the name that the checks know it by."""

from components.core.rest import Client, is_loopback

__all__ = ["Client", "is_loopback"]
