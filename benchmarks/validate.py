"""make bench-validate: the validation against `cat FILE > /dev/null`, and against CRC32C alone.

Figures of 0.9 GB are of the real MNIST, repeated twenty times.
"""

import functools
import gzip
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import google_crc32c

from benchmarks.compare import compare
from benchmarks.mnist import MNIST, unpacked
from benchmarks.processes import IDXPIPE, print_peaks
from idxpipe.components.core.idx.content import read_chunks
from idxpipe.components.core.idx.files import DataConfig, DataFiles, find_files
from idxpipe.components.core.idx.header import Header
from idxpipe.components.validate.config import FULL, HEADERS, ValidateConfig
from idxpipe.components.validate.stage import validate

TIMES = 20
HUGE = 100 * 10**9


def main() -> None:
    """Print all comparisons."""
    with tempfile.TemporaryDirectory(prefix="idxpipe-bench-") as folder:
        work = Path(folder)
        small = unpacked(work / "small", 1)
        large = [unpacked(work / f"large{n}", TIMES, n * TIMES) for n in range(2)]
        wide = [unpacked(work / f"wide{n}", n, n * TIMES, "float32") for n in (TIMES // 4, 1)]
        with one_core():
            against_reading("one core, bytes", DataFiles(*large[0], *small))
            against_reading("one core, float32", DataFiles(*wide[0], *wide[1]))
        against_reading("all cores, two files of bytes", DataFiles(*large[0], *large[1]))
        against_unpacking()
        headers(work / "huge")
        peaks({"47 MB": DataFiles(*small, *small), "1.9 GB": DataFiles(*large[0], *large[1])})


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process, and those that it starts, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def uris(files: DataFiles) -> list[str]:
    """Return all four."""
    return [files.train_images, files.train_labels, files.test_images, files.test_labels]


def cat(files: DataFiles) -> None:
    """Read the files with the cheapest of programs."""
    with open(os.devnull, "wb") as nowhere:
        subprocess.run(["cat", *uris(files)], check=True, stdout=nowhere)


def checksum(files: DataFiles) -> None:
    """Read the files, and take their CRC32C and nothing else."""
    for uri in uris(files):
        crc = 0
        for chunk in read_chunks(uri):
            crc = google_crc32c.extend(crc, chunk)


def check(files: DataFiles, depth: str) -> None:
    """Validate the files."""
    config = ValidateConfig(depth=depth)
    validate(files, config, fingerprints=depth == FULL)


def against_reading(title: str, files: DataFiles) -> None:
    """Compare both depths with reading alone."""
    size = sum(Path(uri).stat().st_size for uri in uris(files))
    compare(
        f"{title}, {size / 1e9:.2f} GB; ratios to cat, to CRC32C",
        {
            "cat FILE > /dev/null": functools.partial(cat, files),
            "CRC32C": functools.partial(checksum, files),
            "validate, full": functools.partial(check, files, FULL),
            "validate, headers": functools.partial(check, files, HEADERS),
        },
        bases=2,
        size=size,
    )


def against_unpacking() -> None:
    """Compare the stage on MNIST as it is published with its decompression alone."""
    files = find_files(DataConfig(str(MNIST)))

    def gzip_open() -> None:
        for uri in uris(files):
            with gzip.open(uri) as stream:
                while stream.read(1 << 20):
                    pass

    with one_core():
        compare(
            "one core, MNIST from .gz; ratios to isal, to zlib",
            {
                "isal, read to the end": lambda: [
                    None for u in uris(files) for _ in read_chunks(u)
                ],
                "zlib (gzip.open), read to the end": gzip_open,
                "validate, full": functools.partial(check, files, FULL),
            },
            bases=2,
        )


def headers(folder: Path) -> None:
    """Print what the headers of 100 GB cost, in files that take no room on the disk."""
    folder.mkdir()
    files = DataFiles(
        sparse(folder / "a", Header("uint8", (HUGE // 784, 28, 28))),
        sparse(folder / "b", Header("uint8", (HUGE // 784,))),
        sparse(folder / "c", Header("uint8", (10_000, 28, 28))),
        sparse(folder / "d", Header("uint8", (10_000,))),
    )
    check(files, HEADERS)
    before, start = bytes_read(), time.perf_counter()
    check(files, HEADERS)
    seconds, read = time.perf_counter() - start, bytes_read() - before
    print(f"\nheaders of 100 GB: {1000 * seconds:.1f} ms, {read} bytes read")


def sparse(path: Path, header: Header) -> str:
    """Write a file of the right length, all of it a hole but the header."""
    with open(path, "wb") as stream:
        stream.write(header.encode())
        stream.truncate(header.content_bytes)
    return str(path)


def bytes_read() -> int:
    """Return what this process has read so far, from files and from elsewhere."""
    return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())[1])


def peaks(data_sets: dict[str, DataFiles]) -> None:
    """Print how much memory whole processes take."""
    flags = ("--train-images", "--train-labels", "--test-images", "--test-labels")
    ways = {
        f"idxpipe validate, {name}": [
            *(*IDXPIPE, "validate"),
            *(word for pair in zip(flags, uris(files), strict=True) for word in pair),
        ]
        for name, files in data_sets.items()
    }
    print_peaks(ways, lambda: None)


if __name__ == "__main__":
    main()
