import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from idxpipe.components.core.errors import DataError
from idxpipe.components.evaluate.png_reader import decode_png

RANDOM = np.random.default_rng(5)
GREY = RANDOM.integers(0, 256, (5, 7), np.uint8)
COLOURS = RANDOM.integers(0, 256, (5, 7, 3), np.uint8)


def png(image, **options):
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
        stream, "PNG", **options
    )
    return stream.getvalue()


def raw_png(width, height, depth, colour, rows):
    """A PNG file written by hand, for what Pillow does not write."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def decode(data, shape=(5, 7), dtype="uint8"):
    return decode_png(data, shape, dtype, "/a.png")


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1)])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_grey_comes_out_of_any_kind(mode, shape):
    pixels = decode(png(Image.fromarray(GREY).convert(mode)), shape)
    np.testing.assert_array_equal(pixels, GREY.reshape(shape))
    assert pixels.dtype == np.uint8


def test_black_and_white_and_few_bits_are_scaled():
    bits = GREY > 127
    np.testing.assert_array_equal(decode(png(Image.fromarray(bits))), bits * np.uint8(255))
    four_bits = raw_png(2, 1, 4, 0, [bytes([0x0F])])
    np.testing.assert_array_equal(decode(four_bits, (1, 2)), [[0, 255]])


def test_colours():
    image = Image.fromarray(COLOURS)
    np.testing.assert_array_equal(decode(png(image), (5, 7, 3)), COLOURS)
    np.testing.assert_array_equal(decode(png(image.convert("RGBA")), (5, 7, 3)), COLOURS)
    np.testing.assert_array_equal(
        decode(png(Image.fromarray(GREY)), (5, 7, 3)), np.stack([GREY] * 3, axis=-1)
    )
    rgba = np.concatenate([COLOURS, GREY[..., None]], axis=-1)
    np.testing.assert_array_equal(decode(png(rgba), (5, 7, 4)), rgba)


def test_a_palette_is_its_colours():
    palette = Image.fromarray(COLOURS // 200 * 200).quantize(8)
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(decode(png(palette), (5, 7, 3)), expected)


@pytest.mark.parametrize(
    ("data", "shape", "found"),
    [
        (png(COLOURS), (5, 7), "colours"),
        (png(np.stack([GREY, GREY], axis=-1)), (5, 7), "transparent pixels"),
        (png(Image.fromarray(GREY), transparency=int(GREY[0, 0])), (5, 7), "transparent pixels"),
        (png(GREY.astype(np.uint16) * 257), (5, 7), "16 bits a channel"),
        (raw_png(1, 1, 16, 2, [bytes(6)]), (1, 1, 3), "16 bits a channel"),
    ],
)
def test_what_would_lose_something_is_refused(data, shape, found):
    with pytest.raises(DataError, match="without loss") as caught:
        decode(data, shape)
    assert caught.value.found == found
    assert caught.value.where == "/a.png"


def test_another_size_is_refused_before_anything_is_unpacked():
    bomb = raw_png(2**31 - 1, 2**31 - 1, 8, 0, [])
    with pytest.raises(DataError, match="differs in size") as caught:
        decode(bomb)
    assert (caught.value.expected, caught.value.found) == ("5x7", "2147483647x2147483647")
    with pytest.raises(DataError, match="differs in size"):
        decode(png(GREY.T))


@pytest.mark.parametrize(
    ("shape", "dtype"), [((5, 7), "float32"), ((5, 7), "int16"), ((5, 7, 2), "uint8")]
)
def test_a_model_of_what_no_png_holds_is_refused(shape, dtype):
    with pytest.raises(DataError, match="other images than a PNG file can hold") as caught:
        decode(png(GREY), shape, dtype)
    assert dtype in caught.value.expected


def test_a_flipped_bit_or_a_lost_end_is_found():
    whole = png(GREY)
    # From the end of IHDR: what comes before is checked by its values, or means differs in size.
    for place in range(33, len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        try:
            pixels = decode(bytes(damaged))
        except DataError as error:
            assert "damaged" in error.problem
        else:
            np.testing.assert_array_equal(pixels, GREY)
    for length in range(len(whole) - 12):
        with pytest.raises(DataError, match="damaged"):
            decode(whole[:length])


def test_colours_become_their_luma_on_request():
    """Source: ITU-R BT.601-7, section 2.5.1."""
    made = decode_png(png(COLOURS), (5, 7), "uint8", "f", grayscale=True)
    luma = COLOURS @ np.array([0.299, 0.587, 0.114])
    assert made.shape == (5, 7)
    assert np.abs(made - luma).max() <= 0.51
