"""JSON documents that carry a checksum of themselves: one changed letter is noticed.

The first member is the CRC32C of all that follows it, byte for byte, so that to check a document
is to hash its text once:

    {"crc32c": "1a2b3c4d",
     "schema_version": 3,
     ...
"""

import json
import re
from typing import Any

import google_crc32c

KEY = "crc32c"
_HEAD = re.compile(rb'\{"crc32c": "([0-9a-f]{8})",')


def seal(value: dict[str, Any], indent: int, *, allow_nan: bool = True) -> bytes:
    """Return a document with its checksum.

    Args:
        value: JSON values; at least one member, none of it named `crc32c`.
        indent: Spaces per level.
        allow_nan: Write NaN and infinities, which JSON has not, but Python's reader knows.

    Raises:
        ValueError: If they are in it, and not allowed.
    """
    rest = json.dumps(value, indent=indent, allow_nan=allow_nan)[1:].encode() + b"\n"
    return b'{"crc32c": "%08x",' % google_crc32c.value(rest) + rest


def unseal(data: bytes, since: int) -> dict[str, Any]:
    """Return what `seal` was given, as it is in a document; one without a checksum may be older.

    Args:
        data: The document.
        since: The first `schema_version` whose documents have a checksum.

    Raises:
        ValueError: If it is not as it was written, or no JSON.
        TypeError: If it is no object.
    """
    head = _HEAD.match(data)
    if head:
        found = google_crc32c.value(data[head.end() :])
        if found != int(head[1], 16):
            raise ValueError(f"its checksum is {found:08x}, where it says {head[1].decode()}")
    value = json.loads(data)
    if not isinstance(value, dict):
        raise TypeError("not a JSON object")
    if head:
        del value[KEY]
    elif KEY in value or _version(value) >= since:
        raise ValueError("its checksum is missing")
    return value


def _version(value: dict[str, Any]) -> int:
    version = value.get("schema_version", 0)
    return version if isinstance(version, int) else 0
