"""make bench-convert: the conversion against `cp`, against Beam as tutorials write it, and others.

Figures of 60,000 examples are the real MNIST; those of 1.2 million repeat it.
"""

import functools
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.compare import compare
from components.convert.config import ConvertConfig
from components.convert.plan import ShardTask, shard_ranges
from components.convert.shard import make_shard
from components.convert.stage import convert
from components.core.content import read_chunks
from components.core.idx import Header

MNIST = Path("data/mnist")
NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
SHARDS = 8


def main() -> None:
    """Print all comparisons."""
    with tempfile.TemporaryDirectory(prefix="idxpipe-bench-") as folder:
        work = Path(folder)
        small = unpacked(work / "small", 1)
        large = unpacked(work / "large", 20)
        against_cp(work, large)
        against_beam(work, small)
        against_decompression(work)
        against_import(work)


def unpacked(folder: Path, times: int) -> tuple[str, str]:
    """Write MNIST's training split unpacked, repeated `times`; return images and labels."""
    folder.mkdir()
    for name in NAMES:
        content = b"".join(read_chunks(str(MNIST / f"{name}.gz")))
        header = Header.decode(content[:1024], name)
        repeated = Header(header.dtype, (header.records * times, *header.record_shape))
        with open(folder / name, "wb") as stream:
            stream.write(repeated.encode())
            for _ in range(times):
                stream.write(content[header.data_offset :])
    return str(folder / NAMES[0]), str(folder / NAMES[1])


def shard_tasks(sources: tuple[str, str], output: Path) -> list[ShardTask]:
    """Return the shards of a conversion, to be made without Beam."""
    headers = [Header.decode(Path(uri).read_bytes()[:1024], uri) for uri in sources]
    return [
        ShardTask(
            output=str(output),
            name=f"b-train.tfrecord-{index:05d}-of-{SHARDS:05d}",
            images=sources[0],
            images_header=headers[0],
            labels=sources[1],
            labels_header=headers[1],
            start=start,
            stop=stop,
            num_classes=10,
            converter="benchmark",
        )
        for index, (start, stop) in enumerate(shard_ranges(headers[0].records, SHARDS))
    ]


def make_all(sources: tuple[str, str], output: Path, threads: int) -> None:
    """Make all shards, from nothing."""
    shutil.rmtree(output, ignore_errors=True)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(make_shard, shard_tasks(sources, output)))


def copy(source: Path, target: Path) -> None:
    """Copy the shards, and wait until they are on disk, as the conversion does."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for shard in sorted(source.glob("*.tfrecord-*")):
        with open(shard, "rb") as reader, open(target / shard.name, "wb") as writer:
            shutil.copyfileobj(reader, writer, 4 << 20)
            writer.flush()
            os.fsync(writer.fileno())


def against_cp(work: Path, sources: tuple[str, str]) -> None:
    """Compare the kernel with a copy of what it writes."""
    output = work / "kernel"
    make_all(sources, output, 1)
    compare(
        "1.2 million examples, 1.0 GB of TFRecord",
        {
            "copy of the output, fsynced": functools.partial(copy, output, work / "copy"),
            "conversion, 1 thread": functools.partial(make_all, sources, work / "one", 1),
            "conversion, 2 threads": functools.partial(make_all, sources, work / "two", 2),
        },
    )
    for name in ("kernel", "copy", "one", "two"):
        shutil.rmtree(work / name)


def against_beam(work: Path, sources: tuple[str, str]) -> None:
    """Compare the stage with Beam pipelines that handle one image at a time."""
    compare(
        "60,000 examples inside Beam, in memory",
        {
            "idxpipe": functools.partial(
                convert, *sources, str(work / "beam"), ConvertConfig(num_shards=4)
            ),
            "reading DoFn | WriteToTFRecord": functools.partial(dofn, sources, work / "dofn"),
            "Create | Map | WriteToTFRecord": functools.partial(tutorial, sources, work / "map"),
        },
        rounds=1,
    )


def examples(sources: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and labels as arrays."""
    images = np.fromfile(sources[0], np.uint8)[16:].reshape(-1, 784)
    return images, np.fromfile(sources[1], np.uint8)[8:]


def serialize(image: bytes, label: int) -> bytes:
    """Return one example as TensorFlow's guides build it."""
    import tensorflow as tf

    feature = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def tutorial(sources: tuple[str, str], output: Path) -> None:
    """Convert with one element per image."""
    import apache_beam as beam
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    images, labels = examples(sources)
    rows = [(image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True)]
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.Create(rows)
            | beam.MapTuple(serialize)
            | beam.io.WriteToTFRecord(str(output), num_shards=4)
        )


def dofn(sources: tuple[str, str], output: Path) -> None:
    """Convert with a DoFn that reads a range of records."""
    import apache_beam as beam
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    def read(bounds: tuple[int, int]) -> list[bytes]:
        images, labels = examples(sources)
        return [serialize(images[i].tobytes(), int(labels[i])) for i in range(*bounds)]

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.Create(shard_ranges(60_000, 16))
            | beam.FlatMap(read)
            | beam.io.WriteToTFRecord(str(output), num_shards=4)
        )


def against_decompression(work: Path) -> None:
    """Compare the stage on .gz files with their decompression alone."""
    packed = [str(MNIST / f"{name}.gz") for name in NAMES]

    def decompress() -> None:
        for uri in packed:
            with gzip.open(uri) as stream:
                while stream.read(1 << 20):
                    pass

    compare(
        "60,000 examples from .gz",
        {
            "gzip.open, read to the end": decompress,
            "our decompression": lambda: [None for uri in packed for _ in read_chunks(uri)],
            "conversion": lambda: convert(*packed, str(work / "gz"), ConvertConfig(num_shards=4)),
        },
    )


def against_import(work: Path) -> None:
    """Compare whole processes: converting MNIST, and only importing Beam."""
    command = [str(Path(sys.executable).with_name("idxpipe")), "convert"]
    sources = ["--images", str(MNIST / f"{NAMES[0]}.gz"), "--labels", str(MNIST / f"{NAMES[1]}.gz")]
    convert_all = [*command, *sources, "--output", str(work / "process")]
    compare(
        "whole processes",
        {
            "python -c 'import apache_beam'": lambda: run(
                [sys.executable, "-c", "import apache_beam"]
            ),
            "idxpipe convert, 60,000 examples": lambda: run(convert_all),
        },
    )


def run(command: list[str]) -> None:
    """Run a command to its end."""
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
