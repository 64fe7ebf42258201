"""make bench-convert: the conversion against `cp`, against Beam as tutorials write it, and others.

Figures of 60,000 examples are the real MNIST; those of 1.2 million repeat it.
"""

import functools
import gzip
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.blackhole import against_black_hole
from benchmarks.compare import compare
from benchmarks.mnist import MNIST, NAMES, pack, unpacked
from benchmarks.processes import IDXPIPE, print_peaks, run
from idxpipe.components.convert.beam.pipeline import run_pipeline
from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.plan import ShardTask, plan
from idxpipe.components.convert.shard import make_shard
from idxpipe.components.convert.source import Source
from idxpipe.components.convert.stage import convert
from idxpipe.components.core.idx.checks import read_header
from idxpipe.components.core.idx.content import read_chunks

SHARDS = 8


def main() -> None:
    """Print all comparisons."""
    with tempfile.TemporaryDirectory(prefix="idxpipe-bench-") as folder:
        work = Path(folder)
        small = unpacked(work / "small", 1)
        large = unpacked(work / "large", 20)
        against_cp(work, large)
        against_beam(work, small)
        against_decompression(work, large)
        against_import(work, large)
        against_black_hole(work, small)


def shard_tasks(sources: tuple[str, str], output: Path, shards: int = SHARDS) -> list[ShardTask]:
    """Return the shards of a conversion, to be made without Beam."""
    headers = [read_header(uri) for uri in sources]
    images, labels = (Source(u, u, h, "") for u, h in zip(sources, headers, strict=True))
    config = ConvertConfig(num_shards=shards)
    return plan((images, labels), str(output), "train", config, num_classes=10)[0].tasks


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
    """Compare the stage's Beam pipeline with those that handle one image at a time."""
    tasks = shard_tasks(sources, work / "beam", 4)

    def ours() -> None:
        shutil.rmtree(work / "beam", ignore_errors=True)
        run_pipeline(tasks, ConvertConfig())

    compare(
        "60,000 examples, the run inside Beam's in-memory runner, 4 files, fsynced",
        {
            "idxpipe": ours,
            "reading DoFn | WriteToTFRecord": functools.partial(dofn, sources, work / "dofn"),
            "Create | Map | WriteToTFRecord": functools.partial(tutorial, sources, work / "map"),
            "TFDS, raw bytes": functools.partial(tfds_raw, sources, work / "tfds"),
        },
        rounds=3,
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
    sync(output.parent.glob(f"{output.name}-*"))


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
            | beam.Create([(start, start + 3750) for start in range(0, 60_000, 3750)])
            | beam.FlatMap(read)
            | beam.io.WriteToTFRecord(str(output), num_shards=4)
        )
    sync(output.parent.glob(f"{output.name}-*"))


def tfds_raw(sources: tuple[str, str], output: Path) -> None:
    """Convert as a TFDS builder does, without Beam."""
    shutil.rmtree(output, ignore_errors=True)
    tfds_builder(sources, output).download_and_prepare()
    sync(path for path in output.rglob("*") if path.is_file())


def tfds_builder(sources: tuple[str, str], output: Path) -> Any:
    """Return a builder of the images as raw bytes; PNG takes half as long again."""
    import tensorflow_datasets as tfds

    class Raw(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[misc]
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            image = tfds.features.Tensor(
                shape=(28, 28), dtype=np.uint8, encoding=tfds.features.Encoding.BYTES
            )
            label = tfds.features.ClassLabel(num_classes=10)
            features = tfds.features.FeaturesDict({"image": image, "label": label})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager: Any) -> Any:
            return {"train": self._generate_examples()}

        def _generate_examples(self) -> Any:
            images, labels = examples(sources)
            for number, (image, label) in enumerate(zip(images, labels, strict=True)):
                yield number, {"image": image.reshape(28, 28), "label": label}

    tfds.disable_progress_bar()
    # No look for ready-made data sets in a public bucket.
    tfds.core.utils.gcs_utils._is_gcs_disabled = True
    return Raw(data_dir=str(output))


def sync(paths: Iterable[Path]) -> None:
    """Wait until files are on disk, as the conversion does."""
    for path in paths:
        with open(path, "rb") as stream:
            os.fsync(stream.fileno())


def against_decompression(work: Path, large: tuple[str, str]) -> None:
    """Compare the stage on .gz files with their decompression alone."""
    packed = [str(MNIST / f"{name}.gz") for name in NAMES]
    decompression("60,000 examples from .gz", packed, work)
    packed = [pack(path) for path in large]
    decompression("1.2 million examples from .gz", packed, work)


def decompression(title: str, packed: list[str], work: Path) -> None:
    """Compare for one pair of files."""

    def gzip_open() -> None:
        for uri in packed:
            with gzip.open(uri) as stream:
                while stream.read(1 << 20):
                    pass

    def ours() -> None:
        shutil.rmtree(work / "gz", ignore_errors=True)
        convert(packed[0], packed[1], str(work / "gz"), ConvertConfig())

    compare(
        title,
        {
            "isal, read to the end": lambda: [None for uri in packed for _ in read_chunks(uri)],
            "gzip.open, read to the end": gzip_open,
            "conversion": ours,
        },
    )


def against_import(work: Path, large: tuple[str, str]) -> None:
    """Compare whole processes: converting MNIST, and only importing Beam."""
    idxpipe = [*IDXPIPE, "convert", "--output", str(work / "process")]
    importing = [sys.executable, "-c", "import apache_beam"]
    mnist = [*idxpipe, "--data", str(MNIST)]
    ways = {
        "python -c 'import apache_beam'": importing,
        "idxpipe convert, train and test": mnist,
        "idxpipe convert, 1.2 million examples": [
            *(*idxpipe, "--images", large[0], "--labels", large[1])
        ],
    }

    def fresh(command: list[str]) -> Callable[[], None]:
        def run_it() -> None:
            shutil.rmtree(work / "process", ignore_errors=True)
            run(command)

        return run_it

    compare("whole processes", {name: fresh(way) for name, way in list(ways.items())[:2]})
    print_peaks(ways, lambda: shutil.rmtree(work / "process", ignore_errors=True))


if __name__ == "__main__":
    main()
