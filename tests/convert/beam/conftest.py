"""MNIST's test split and what the in-memory runner makes of it: what other runners are held to."""

from pathlib import Path

import pytest

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.stage import convert
from idxpipe.components.core.idx.content import read_chunks
from tests.convert.beam.runs import SHARDS, tree

MNIST = [f"data/mnist/t10k-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1")]


@pytest.fixture(scope="session")
def mnist(tmp_path_factory):
    """The files as they are shipped, and unpacked."""
    folder = tmp_path_factory.mktemp("mnist")
    plain = [folder / Path(name).name for name in MNIST]
    for name, path in zip(MNIST, plain, strict=True):
        path.write_bytes(b"".join(read_chunks(f"{name}.gz")))
    return {"gzip": [f"{name}.gz" for name in MNIST], "plain": [str(path) for path in plain]}


@pytest.fixture(scope="session")
def reference(mnist, tmp_path_factory):
    """The files of the dataset, by name."""
    folder = tmp_path_factory.mktemp("reference")
    convert(*mnist["plain"], str(folder), ConvertConfig("mnist", num_shards=SHARDS), split="test")
    made = tree(folder)
    assert len(made) == SHARDS + 3
    return made
