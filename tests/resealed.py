"""Documents of ours that a test changed on purpose, with a checksum that fits."""

import json
from pathlib import Path

from idxpipe.components.core.integrity.sealed import KEY, seal


def resealed(value: dict) -> bytes:
    return seal({name: v for name, v in value.items() if name != KEY}, indent=1)


def edit(path, change) -> None:
    """Change a document: `change` gets its values and changes them in place."""
    value = json.loads(Path(path).read_bytes())
    change(value)
    Path(path).write_bytes(resealed(value))
