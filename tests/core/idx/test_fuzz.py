"""Any bytes under an IDX name are read to what they hold, or refused: never anything else.

IDXPIPE_FUZZ sets the number of mutations; `make fuzz` makes two million.
"""

import functools
import gzip
import io
import math
import os
import random
import struct
import tracemalloc
import zlib
from pathlib import Path

import idx2numpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.idx.checks import scan, size_faults
from idxpipe.components.core.idx.files import DataFiles
from idxpipe.components.core.idx.header import ITEM_BYTES, Header
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.components.validate.stage import validate
from tests.idxfiles import CODES, idx_bytes, make_arrays, write_data_set

MUTATIONS = int(os.environ.get("IDXPIPE_FUZZ", "40000"))
PARTS = 8
# Of Python and NumPy, while a file of a few kilobytes is read: chunks, blocks, the decompressor.
MEMORY_BYTES = 8 << 20
DTYPES = sorted(CODES)


def ours(path):
    """Read an IDX file through the product's code; return the array."""
    parts = []
    found = scan(str(path), check_sizes, lambda data, offset: parts.append(data))
    numbers = np.frombuffer(b"".join(parts), np.dtype(found.header.dtype).newbyteorder(">"))
    return numbers.reshape(found.header.shape)


def check_sizes(uri, header):
    for fault in size_faults(uri, header):
        raise fault


def reference(content):
    """Read IDX by the definition of the format, without a line of the product."""
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    zero, code, rank = struct.unpack_from(">HBB", content)
    shape = struct.unpack_from(f">{rank}I", content, 4)
    dtype = {value: name for name, value in CODES.items()}[code]
    assert zero == 0
    assert rank
    data = content[4 + 4 * rank :]
    assert len(data) == math.prod(shape) * ITEM_BYTES[dtype]
    return np.frombuffer(data, np.dtype(dtype).newbyteorder(">")).reshape(shape)


def same(one, other):
    return one.shape == other.shape and one.tobytes() == other.tobytes()


@functools.cache
def seeds():
    """Small valid files: every type, several ranks, plain and packed in several ways."""
    numbers = np.random.default_rng(0)
    plain = []
    for dtype in DTYPES:
        for shape in ((7,), (3, 2), (5, 4, 3), (2, 3, 3, 3), (1,) * 20):
            array = numbers.integers(0, 100, shape).astype(dtype)
            plain.append(idx_bytes(array))
    packed = [gzip.compress(data, level, mtime=0) for data in plain[::3] for level in (0, 1, 9)]
    named = io.BytesIO()
    with gzip.GzipFile("name", "wb", fileobj=named, mtime=1) as stream:
        stream.write(plain[2])
    members = b"".join(gzip.compress(plain[2][i : i + 9], mtime=0) for i in range(0, 70, 9))
    return (*plain, *packed, named.getvalue(), members)


def mutate(data, rng):
    """Return `data` with one to three kinds of damage."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not data:
            break
        at = rng.randrange(len(data))
        # Headers are where it matters most.
        at = rng.randrange(min(len(data), 24)) if rng.random() < 0.4 else at
        length = rng.choice((1, 1, 2, 4, rng.randrange(1, 64)))
        kind = rng.randrange(8)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at : at + length] = rng.randbytes(length)
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = rng.randbytes(length)
        elif kind == 4:
            del data[at:]
        elif kind == 5:
            data[at:at] = data[at : at + length]
        elif kind == 6:
            number = rng.choice((0, 1, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1))
            data[at : at + 4] = struct.pack(">I", number)
        else:
            data += rng.choice((b"\0", b"\x1f\x8b", bytes(data), zlib.compress(bytes(data))))
    return bytes(data)


@pytest.mark.parametrize("part", range(PARTS))
def test_mutations_are_read_as_they_are_or_refused(tmp_path, part):
    rng = random.Random(part)
    path = tmp_path / "file"
    accepted = 0
    for _ in range(MUTATIONS // PARTS):
        content = mutate(rng.choice(seeds()), rng)
        path.write_bytes(content)
        try:
            array = ours(path)
        except IdxpipeError as error:
            assert error.code is not None
            assert error.where == str(path)
            continue
        accepted += 1
        assert same(array, reference(content)), content.hex()
        peer = read_by_idx2numpy(content)
        assert peer is None or same(array, peer), content.hex()
    # Neither all nor none of them: a test that refuses or accepts everything tests nothing.
    assert MUTATIONS // PARTS // 50 < accepted < MUTATIONS // PARTS * 0.9


def read_by_idx2numpy(content):
    plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    try:
        array = idx2numpy.convert_from_file(io.BytesIO(plain))
        return array.astype(array.dtype.newbyteorder(">"))
    except Exception:
        return None


def test_mutations_take_no_more_memory_than_a_few_chunks(tmp_path):
    rng = random.Random("memory")
    path = tmp_path / "file"
    ours_or_not(path, seeds()[0])
    ours_or_not(path, seeds()[-1])
    tracemalloc.start()
    for _ in range(MUTATIONS // 50):
        content = mutate(rng.choice(seeds()), rng)
        tracemalloc.reset_peak()
        ours_or_not(path, content)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES, content.hex()
    tracemalloc.stop()


def ours_or_not(path, content):
    path.write_bytes(content)
    try:
        ours(path)
    except IdxpipeError:
        return False
    return True


def test_a_data_set_of_mutations_is_validated_or_refused(tmp_path):
    rng = random.Random("data set")
    arrays = make_arrays(20, 10, shape=(5, 5))
    whole = {gz: write_data_set(tmp_path / str(gz), arrays, gz=gz) | {} for gz in (False, True)}
    contents = {
        (gz, role): Path(uri).read_bytes()
        for gz, files in whole.items()
        for role, uri in files.items()
    }
    config = ValidateConfig(image_shape="auto", num_classes=0)
    page = str(tmp_path / "page.html")
    for _ in range(MUTATIONS // 400):
        gz = rng.random() < 0.5
        broken = rng.sample(sorted(whole[gz]), rng.choice((1, 1, 2, 4)))
        for role in broken:
            with open(whole[gz][role], "wb") as stream:
                stream.write(mutate(contents[gz, role], rng))
        try:
            validate(DataFiles(**whole[gz]), config, str(tmp_path / "report.json"), page)
        except IdxpipeError as error:
            assert error.exit_code == 3
            assert error.to_json()["findings"]
        for role in broken:
            with open(whole[gz][role], "wb") as stream:
                stream.write(contents[gz, role])


@given(st.data(), st.sampled_from(DTYPES), st.booleans())
@settings(max_examples=200, deadline=None)
def test_every_type_and_rank_is_read_as_it_was_written(tmp_path_factory, data, dtype, packed):
    rank = data.draw(st.one_of(st.integers(1, 6), st.integers(7, 32)))
    shape = data.draw(
        arrays.array_shapes(min_dims=rank, max_dims=rank, min_side=1, max_side=2 + (rank < 5) * 4)
    )
    array = data.draw(
        arrays.arrays(dtype, shape) if math.prod(shape) < 200 else st.just(np.ones(shape, dtype))
    )
    path = tmp_path_factory.getbasetemp() / "round-trip"
    content = Header(dtype, shape).encode() + array.astype(array.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(content) if packed else content)
    assert same(ours(path), array.astype(array.dtype.newbyteorder(">")))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rank", [33, 64, 254, 255])
def test_ranks_that_numpy_has_no_array_for(tmp_path, dtype, rank):
    """NumPy arrays have 64 dimensions at most; the format has 255."""
    shape = (2, *(1,) * (rank - 2), 3)
    numbers = np.arange(6).astype(np.dtype(dtype).newbyteorder(">"))
    path = tmp_path / "file"
    path.write_bytes(Header(dtype, shape).encode() + numbers.tobytes())
    parts = []
    found = scan(str(path), lambda uri, header: None, lambda data, offset: parts.append(data))
    assert found.header == Header(dtype, shape)
    assert b"".join(parts) == numbers.tobytes()
