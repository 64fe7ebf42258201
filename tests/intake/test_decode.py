"""Pixels of image files, held against Pillow's and TensorFlow's own reading."""

import io
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from idxpipe.components.core.errors import SetupError
from idxpipe.components.intake.decode import Fit, Unfit, check_pillow, decode, kind_of
from tests.intake.pictures import pixels

ANY = Fit()
GREY, COLOUR = pixels(1), pixels(2, (8, 6, 3))


def encoded(array, form, mode=None, **options):
    image = Image.fromarray(array)
    stream = io.BytesIO()
    (image.convert(mode) if mode else image).save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF"])
def test_grey_is_kept_to_the_bit(form):
    assert np.array_equal(decode(encoded(GREY, form), ANY), GREY)


@pytest.mark.parametrize("form", ["PNG", "BMP"])
def test_colours_are_kept_to_the_bit(form):
    assert np.array_equal(decode(encoded(COLOUR, form), ANY), COLOUR)


@pytest.mark.parametrize("array", [GREY, COLOUR], ids=["grey", "colour"])
def test_jpeg_is_what_tensorflow_reads(array):
    tf = pytest.importorskip("tensorflow")
    data = encoded(array, "JPEG", quality=100)
    read = tf.io.decode_jpeg(data, dct_method="INTEGER_ACCURATE").numpy().reshape(array.shape)
    assert np.abs(decode(data, ANY).astype(int) - read).max() <= 1


def test_a_palette_is_its_colours():
    image = Image.fromarray(COLOUR).quantize(16)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    assert np.array_equal(decode(stream.getvalue(), ANY), np.asarray(image.convert("RGB")))


def test_a_palette_of_greys_is_grey():
    image = Image.fromarray(GREY).convert("P")
    stream = io.BytesIO()
    image.save(stream, "PNG")
    assert np.array_equal(decode(stream.getvalue(), ANY), GREY)


def test_black_and_white_is_grey():
    image = Image.fromarray(GREY).convert("1")
    stream = io.BytesIO()
    image.save(stream, "PNG")
    assert np.array_equal(decode(stream.getvalue(), ANY), np.asarray(image.convert("L")))


def test_opaque_alpha_is_left_out():
    assert np.array_equal(decode(encoded(COLOUR, "PNG", "RGBA"), ANY), COLOUR)
    assert np.array_equal(decode(encoded(GREY, "PNG", "LA"), ANY), GREY)


def test_a_photograph_is_turned_as_its_camera_says():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(COLOUR, "PNG", exif=exif)
    assert np.array_equal(decode(data, ANY), np.rot90(COLOUR, -1))


def test_resize_is_pillows():
    made = decode(encoded(GREY, "PNG"), Fit((4, 5), resize=True))
    assert np.array_equal(made, np.asarray(Image.fromarray(GREY).resize((5, 4))))


def test_grayscale_is_pillows():
    made = decode(encoded(COLOUR, "PNG"), Fit(channels=1, convert=True))
    assert np.array_equal(made, np.asarray(Image.fromarray(COLOUR).convert("L")))


def test_grey_to_colours():
    made = decode(encoded(GREY, "PNG"), Fit(channels=3, convert=True))
    assert np.array_equal(made, np.stack([GREY] * 3, -1))


def unfit(data, fit=ANY):
    with pytest.raises(Unfit) as caught:
        decode(data, fit)
    return caught.value.kind, str(caught.value)


def half_transparent():
    return np.dstack([COLOUR, np.full((8, 6), 127, np.uint8)])


def animated():
    stream = io.BytesIO()
    frames = [Image.fromarray(pixels(seed)) for seed in range(3)]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    return stream.getvalue()


def flipped():
    data = bytearray(encoded(GREY, "PNG"))
    data[data.index(b"IDAT") + 12] ^= 1
    return bytes(data)


def checksum():
    """Only the checksum of the pixels is another: Pillow reads it without an error."""
    data = bytearray(encoded(GREY, "PNG"))
    data[data.index(b"IEND") - 5] ^= 1
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), GREY)
    return bytes(data)


def png(head, rows):
    """A PNG of any header, also of those that Pillow does not write."""

    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    parts = (b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def deep_colours():
    """16 bits a channel, which Pillow opens as 8."""
    rows = b"".join(b"\0" + bytes(range(6 * 6)) for _ in range(8))
    return png(struct.pack(">IIBBBBB", 6, 8, 16, 2, 0, 0, 0), rows)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"not a picture at all", "not a PNG, JPEG, BMP or GIF"),
        (encoded(GREY, "TIFF"), "not a PNG, JPEG, BMP or GIF"),
        (encoded(COLOUR, "PNG")[:-40], "damaged"),
        (encoded(pixels(3, (64, 64)), "JPEG")[:-900], "damaged"),
        (flipped(), "damaged"),
        (checksum(), "checksum of its IDAT"),
        (encoded(half_transparent(), "PNG"), "transparent"),
        (encoded(np.full((8, 6), 40_000, np.uint16), "PNG"), "16 bits"),
        (deep_colours(), "16 bits"),
        (animated(), "3 frames"),
    ],
    ids=[
        "empty",
        "text",
        "tiff",
        "cut",
        "cut jpeg",
        "bit",
        "pixel",
        "alpha",
        "16",
        "16x3",
        "frames",
    ],
)
def test_what_cannot_be_used_says_why(data, reason):
    kind, text = unfit(data)
    assert kind == "bad"
    assert reason in text


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_a_bomb_is_not_unpacked(side):
    data = png(struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), b"")
    assert "too large" in unfit(data)[1]


def test_another_size_or_mode_is_told_apart_from_damage():
    assert unfit(encoded(GREY, "PNG"), Fit((28, 28))) == ("size", "8x6")
    assert unfit(encoded(COLOUR, "PNG"), Fit((8, 6), 1)) == ("mode", "colour")
    assert unfit(encoded(GREY, "PNG"), Fit((8, 6), 3)) == ("mode", "grey")
    assert unfit(encoded(COLOUR, "JPEG", "CMYK"), Fit((8, 6), 3)) == ("mode", "CMYK")


def test_kind():
    assert kind_of(Image.fromarray(GREY)) == "grey"
    assert kind_of(Image.fromarray(COLOUR)) == "colour"


def test_without_pillow_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(SetupError, match=r"idxpipe\[import\]"):
        check_pillow()


def test_a_grey_palette_with_an_unused_transparent_entry_is_grey():
    image = Image.fromarray(GREY // 2).convert("P")
    stream = io.BytesIO()
    image.save(stream, "GIF", transparency=255)
    assert np.array_equal(decode(stream.getvalue(), ANY), GREY // 2)


def test_a_photograph_with_a_preview_is_the_photograph():
    """MPO, which phones write under the name of JPEG."""
    stream = io.BytesIO()
    big, preview = Image.fromarray(pixels(5, (64, 64))), Image.fromarray(pixels(6, (64, 64)))
    big.save(stream, "MPO", save_all=True, append_images=[preview])
    first = Image.open(io.BytesIO(stream.getvalue()))
    assert (first.format, first.n_frames) == ("MPO", 2)
    assert np.array_equal(decode(stream.getvalue(), ANY), np.asarray(first))
