"""The network as a `.keras` file: the same bytes for the same weights, and no optimizer in it."""

import json
import os
import re
import zipfile

import keras

# ZIP knows no earlier day.
_DAY = (1980, 1, 1, 0, 0, 0)


def save_keras(model: keras.Model, path: str) -> None:
    """Write `model` for `keras.models.load_model`.

    Args:
        model: Not compiled, so that there is no optimizer to save.
        path: A new file, named `.keras`.
    """
    raw = f"{path}.raw.keras"
    model.save(raw)
    with zipfile.ZipFile(raw) as packed, zipfile.ZipFile(path, "w") as again:
        for name in sorted(packed.namelist()):
            again.writestr(zipfile.ZipInfo(name, _DAY), _content(packed, name))
    os.remove(raw)


def _content(packed: zipfile.ZipFile, name: str) -> bytes:
    content = packed.read(name)
    # Source: keras/src/saving/saving_lib.py; loading does not read the date.
    if name == "metadata.json":
        facts = json.loads(content)
        facts.pop("date_saved", None)
        return json.dumps(facts).encode()
    return _numbered(content) if name == "config.json" else content


def _numbered(config: bytes) -> bytes:
    """Number the objects that layers share, which Keras names by their place in memory."""
    numbers: dict[bytes, int] = {}

    def number(found: re.Match[bytes]) -> bytes:
        return found[1] + str(numbers.setdefault(found[2], len(numbers) + 1)).encode()

    # Source: keras/src/saving/serialization_lib.py, ObjectSharingScope.
    return re.sub(rb'("shared_object_id": )(\d+)', number, config)
