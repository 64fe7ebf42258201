"""Whatever the bytes, an import ends in images or in an error of ours."""

import io
import os
import random
import zipfile

import numpy as np
import pytest
from PIL import Image

from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.intake.config import ImportConfig
from idxpipe.components.intake.decode import Fit, Unfit, decode
from idxpipe.components.intake.stage import import_data
from tests.intake.pictures import pixels

ROUNDS = int(os.environ.get("IDXPIPE_FUZZ", "100000")) // 100


def mutated(data, rng):
    """Some bytes changed, cut out or put in."""
    made = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.randrange(len(made) or 1)
        kind = rng.randrange(4)
        if kind == 0:
            made[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            del made[at : at + rng.choice([1, 4, 50])]
        elif kind == 2:
            made[at:at] = rng.randbytes(rng.choice([1, 4, 50]))
        else:
            made[at : at + 4] = rng.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"])
    return bytes(made)


def images():
    for array in (pixels(0, (12, 9)), pixels(1, (12, 9, 3))):
        for form in ("PNG", "JPEG", "BMP", "GIF"):
            stream = io.BytesIO()
            Image.fromarray(array).save(stream, form)
            yield f"{form}-{array.ndim}", stream.getvalue()


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in images()])
def test_image_files(data):
    rng = random.Random(len(data))
    for _ in range(ROUNDS // 4):
        try:
            made = decode(mutated(data, rng), Fit((12, 9)))
        except Unfit:
            continue
        assert made.shape in ((12, 9), (12, 9, 3))
        assert made.dtype == np.uint8


def sources():
    arrays = {"x": pixels(0, (6, 4, 4)), "y": np.arange(6) % 2}
    for save in (np.savez, np.savez_compressed):
        stream = io.BytesIO()
        save(stream, **arrays)
        yield f"{save.__name__}.npz", stream.getvalue()
    rows = np.column_stack([arrays["y"], arrays["x"].reshape(6, -1)])
    stream = io.BytesIO()
    np.savetxt(stream, rows, "%d", ",")
    yield "table.csv", stream.getvalue()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(6):
            image = io.BytesIO()
            Image.fromarray(pixels(number, (4, 4))).save(image, "PNG")
            archive.writestr(f"{number % 2}/{number}.png", image.getvalue())
    yield "images.zip", packed.getvalue()


@pytest.mark.parametrize(("name", "data"), [pytest.param(n, d, id=n) for n, d in sources()])
def test_sources(name, data, tmp_path):
    rng = random.Random(len(data))
    made = 0
    for number in range(ROUNDS // 10):
        source = tmp_path / f"{number}-{name}"
        source.write_bytes(mutated(data, rng) if number else data)
        output = tmp_path / str(number)
        try:
            import_data(str(source), str(output), ImportConfig(skip_bad=True, test_fraction=0.4))
            made += 1
        except IdxpipeError:
            assert not output.exists()
    assert made
