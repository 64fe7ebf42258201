"""Data sets as people have them, each in few lines: what docs/data.md lists, by name.

Every function writes one into a folder. Nothing here uses the code that it tests.
"""

import gzip
import lzma
import struct
import zipfile
from functools import cache
from pathlib import Path

import numpy as np

from tests.idxfiles import CODES, idx_bytes

TRAIN, TEST = 400, 100
DASHES = [
    f"{split}-{kind}-ubyte"
    for split in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
]
DOTS = [name.replace("-idx", ".idx") for name in DASHES]
CASES = {}


def case(name):
    def add(function):
        CASES[name] = function
        return function

    return add


@cache
def digits():
    """Images and labels of 400 training examples and 100 test examples of MNIST."""
    found = []
    for name, count in zip(DASHES, (TRAIN, TRAIN, TEST, TEST), strict=True):
        data = gzip.decompress(Path("data/mnist", f"{name}.gz").read_bytes())
        shape = (count, 28, 28) if "images" in name else (count,)
        start = 4 + 4 * len(shape)
        found.append(np.frombuffer(data, np.uint8, int(np.prod(shape)), start).reshape(shape))
    return tuple(found)


def put(folder, contents, names=DASHES, ending="", pack=bytes):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in zip(names, contents, strict=True):
        data = content if isinstance(content, bytes) else idx_bytes(content)
        (folder / (name + ending)).write_bytes(pack(data))


def images(how):
    x, y, u, v = digits()
    return how(x), y, how(u), v


def labels(how):
    x, y, u, v = digits()
    return x, how(y), u, how(v)


def every(how):
    return [how(idx_bytes(array)) for array in digits()]


def simple(name, contents, **options):
    """Register a data set whose files lie side by side; `contents` is called when it is made."""
    CASES[name] = lambda folder: put(folder, contents(), **options)


def one(place, how):
    """The usual four, one of which is changed as bytes."""
    contents = [idx_bytes(array) for array in digits()]
    contents[place] = how(contents[place])
    return contents


def noisy(array):
    """Signs on a rough ground, as on bones of Oracle-MNIST."""
    noise = np.random.default_rng(len(array)).integers(0, 120, array.shape)
    return np.clip(array + noise, 0, 255).astype(np.uint8)


def narrow():
    return images(lambda x: np.ascontiguousarray(x[:, 4:24]))


def flip(array):
    return np.ascontiguousarray(array.swapaxes(1, 2))


def flip_images(array):
    return flip(array) if array.ndim == 3 else array


def letters(labels):
    """Labels from 1 to 26, as EMNIST's, in an order that is not theirs."""
    return (np.arange(len(labels)) * 7 % 26 + 1).astype(np.uint8)


def colour(array):
    return np.stack([array, array // 2, 255 - array], -1)


def zipped(names, contents):
    def write(path):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in zip(names, contents, strict=True):
                archive.writestr(name, content)

    return write


def crlf(data):
    return data.replace(b"\n", b"\r\n")


def little(array):
    head = struct.pack("<I", CODES[array.dtype.name] << 8 | array.ndim)
    return head + struct.pack(f"<{array.ndim}I", *array.shape) + array.tobytes()


def little_numbers(array):
    data = idx_bytes(array)
    return data[: 4 + 4 * array.ndim] + array.astype(array.dtype.newbyteorder("<")).tobytes()


def below(folder, *parts, ending=""):
    put(folder.joinpath(*parts), digits(), ending=ending)


# Where files are, and how they are called.
simple("usual", digits)
simple("gzip", digits, ending=".gz", pack=gzip.compress)
simple("dots", digits, names=DOTS)
simple("gzip-without-its-ending", digits, pack=gzip.compress)
simple("plain-named-gz", digits, ending=".gz")
simple("upper-case", digits, names=[name.upper() for name in DASHES])
simple("copies", digits, ending=" (1)")
simple("gz-1", digits, ending=".gz.1", pack=gzip.compress)
simple("underscores", digits, names=[name.replace("-", "_") for name in DASHES])
simple("idx-endings", digits, names=[f"{n.partition('-idx')[0]}.idx" for n in DASHES])
simple("training-and-testing", digits, names=[n.replace("train", "training") for n in DASHES])
simple("space", digits, names=[n.replace("t10k-images", "t10k-images ") for n in DASHES])
simple(
    "ranks-in-names-swapped",
    digits,
    names=[n.translate(str.maketrans("13", "31")).replace("t30k", "t10k") for n in DASHES],
)
simple("train-only", lambda: digits()[:2], names=DASHES[:2])
simple("xz", digits, ending=".xz", pack=lzma.compress)


@case("dots-and-dashes")
def _(folder):
    put(folder, digits())
    put(folder, digits(), DOTS)


@case("t10k-and-test")
def _(folder):
    put(folder, digits())
    put(folder, digits()[2:], [name.replace("t10k", "test") for name in DASHES[2:]])


@case("validation-beside")
def _(folder):
    put(folder, digits())
    put(folder, digits()[2:], [name.replace("t10k", "val") for name in DASHES[2:]])


@case("partial-downloads")
def _(folder):
    put(folder, digits())
    put(folder, [b""] * 4, ending=".gz.part")


@case("apple-double")
def _(folder):
    put(folder, digits())
    put(folder, [b"\0\5\26\7" + bytes(60)] * 4, [f"._{name}" for name in DASHES])


@case("torchvision")
def _(folder):
    below(folder, "KMNIST", "raw")
    below(folder, "KMNIST", "raw", ending=".gz")


@case("torchvision-several")
def _(folder):
    below(folder, "MNIST", "raw")
    below(folder, "FashionMNIST", "raw")


@case("torchvision-parent")
def _(folder):
    below(folder, "data", "MNIST", "raw")


@case("kaggle")
def _(folder):
    for name, array in zip(DASHES, digits(), strict=True):
        put(folder / "archive" / name, [array], [name])


@case("emnist-side-by-side")
def _(folder):
    for name in ("letters", "digits"):
        put(folder, digits(), [f"emnist-{name}-{usual}" for usual in DASHES])


@case("emnist-unpacked")
def _(folder):
    CASES["emnist-side-by-side"](folder / "gzip")
    (folder / "gzip" / "emnist-letters-mapping.txt").write_text("1 65 97\n")


@case("path-with-a-colon")
def _(folder):
    below(folder, "a:b")


@case("path-with-a-question-mark")
def _(folder):
    below(folder, "q?x=1")


@case("path-with-spaces")
def _(folder):
    below(folder, "my data (1)", "caf\u00e9 #1 100%")


@case("emnist-zip")
def _(folder):
    folder.mkdir()
    names = [f"gzip/emnist-{kind}-{n}" for kind in ("letters", "digits") for n in DASHES]
    zipped(names, [*every(bytes), *every(bytes)])(folder / "gzip.zip")


@case("zip-archive")
def _(folder):
    folder.mkdir()
    zipped(DOTS, every(bytes))(folder / "archive.zip")


@case("zip-each")
def _(folder):
    folder.mkdir()
    for name, data in zip(DASHES, every(bytes), strict=True):
        zipped([name], [data])(folder / f"{name}.zip")


@case("npz")
def _(folder):
    folder.mkdir()
    np.savez(folder / "mnist.npz", x_train=digits()[0], y_train=digits()[1])


@case("npz-renamed")
def _(folder):
    put(folder, digits())
    np.savez(folder / "mnist.npz", x_train=digits()[0])
    (folder / "mnist.npz").rename(folder / DASHES[0])


@case("parquet")
def _(folder):
    put(folder, [b"PAR1" + bytes(100) + b"PAR1"], ["train-00000-of-00001.parquet"])


@case("empty-folder")
def _(folder):
    folder.mkdir()


@case("missing-folder")
def _(folder):
    assert not folder.exists()


# Files that are something else, cut, or changed on the way.
simple("html", lambda: one(0, lambda _: b"<!DOCTYPE html>\n<html><title>503</title></html>"))
simple("gzipped-html", lambda: one(0, lambda _: gzip.compress(b"<html>404 Not Found</html>")))
simple("xml", lambda: one(3, lambda _: b"<?xml version='1.0'?><Error>AccessDenied</Error>"))
simple("git-lfs", lambda: one(0, lambda _: b"version https://git-lfs.github.com/spec/v1\noid"))
simple("gzip-cut", lambda: one(1, lambda data: gzip.compress(data)[:80]))
simple("cut", lambda: one(0, lambda data: data[:-12345]))
simple("cut-at-a-record", lambda: one(0, lambda data: data[: 16 + 200 * 784]))
simple("no-bytes", lambda: one(3, lambda _: b""))
simple("gzip-twice", digits, pack=lambda data: gzip.compress(gzip.compress(data)))
simple("gzip-with-zeros", lambda: one(0, lambda data: gzip.compress(data) + bytes(512)))
simple("trailing-newline", lambda: one(1, lambda data: data + b"\n"))
simple("text-mode", lambda: every(crlf))
simple("text-mode-gzip", lambda: every(lambda data: crlf(gzip.compress(data))))
simple("text-mode-back", lambda: [idx_bytes(a).replace(b"\r\n", b"\n") for a in with_pairs()])
simple(
    "text-mode-labels", lambda: one(1, lambda data: crlf(data[:8] + data[8:].replace(b"\t", b"\n")))
)
simple("text-mode-ten", lambda: [crlf(idx_bytes(array[:10])) for array in digits()])
simple("utf-8", lambda: every(lambda data: data.decode("utf-8", "replace").encode()))
simple("latin-1", lambda: every(lambda data: data.decode("latin-1").encode()))
simple("little-endian-header", lambda: [little(array) for array in digits()])
simple(
    "little-endian-sizes",
    lambda: [idx_bytes(array)[:4] + little(array)[4:] for array in digits()],
)
simple(
    "little-endian-count",
    lambda: every(lambda data: data[:4] + data[4:8][::-1] + data[8:]),
)
simple("little-endian-labels", lambda: labels(lambda y: little_numbers(y.astype(np.int32))))
simple(
    "little-endian-floats", lambda: images(lambda x: little_numbers((x / 255).astype(np.float32)))
)
simple("little-endian-shorts", lambda: images(lambda x: little_numbers(x.astype(np.int16))))
simple(
    "16-bit-numbers",
    lambda: every(lambda data: np.frombuffer(data, np.uint8).astype("<u2").tobytes()),
)
simple("count-of-zero", lambda: one(0, lambda data: data[:4] + bytes(4) + data[8:]))


@case("16-bit-count")
def _(folder):
    random = np.random.default_rng(0)
    count = 65_536 + 40
    short = struct.pack(">I", 40)
    train = random.integers(0, 256, (count, 8, 8)).astype(np.uint8), np.arange(count) % 10
    contents = [idx_bytes(array.astype(np.uint8)) for array in train]
    contents = [data[:4] + short + data[8:] for data in contents]
    put(folder, [*contents, train[0][:100], (np.arange(100) % 10).astype(np.uint8)])


def with_pairs():
    """Images of which every hundredth has two pixels that are CR and LF."""
    x, y, u, v = (array.copy() for array in digits())
    for images in (x, u):
        images[::100, 3, 3:5] = 13, 10
    return x, y, u, v


def scaled_apart():
    x, y, u, v = digits()
    return (x / 255).astype(np.float32), y, u.astype(np.float32), v


# Files that do not belong together.
simple("a-label-short", lambda: one(1, lambda data: idx_bytes(digits()[1][:-1])))
simple("a-label-more", lambda: one(1, lambda _: idx_bytes(np.insert(digits()[1], 0, 0))))
simple("labels-of-the-other-split", lambda: one(1, lambda _: idx_bytes(digits()[3])))
simple("swapped", lambda: (digits()[1], digits()[0], digits()[3], digits()[2]))
simple("another-type", lambda: one(2, lambda _: idx_bytes((digits()[2] / 255).astype(np.float32))))
simple("another-scale", scaled_apart)
simple("one-split-transposed", lambda: one(2, lambda _: idx_bytes(flip(digits()[2]))))
simple("one-split-inverted", lambda: one(2, lambda _: idx_bytes(255 - digits()[2])))
simple("training-images-in-the-test", lambda: (*digits()[:2], digits()[0][:100], digits()[1][:100]))


simple("both-splits-the-same", lambda: (*digits()[:2], *digits()[:2]))
simple("one-split-plus-1", lambda: (digits()[0], digits()[1] + np.uint8(1), *digits()[2:]))


@case("repeated")
def _(folder):
    x, y, u, v = (array.copy() for array in digits())
    x[100:110], u[:30], v[:30] = x[:10], x[:30], y[:30]
    put(folder, (x, y, u, v))


@case("class-not-in-training")
def _(folder):
    x, y, u, v = digits()
    put(folder, (x[y != 7], y[y != 7], u, v))


# What labels mean.
simple("one-hot", lambda: labels(lambda y: np.eye(10, dtype=np.uint8)[y]))
simple("column", lambda: labels(lambda y: y[:, None]))
simple("two-columns", lambda: labels(lambda y: np.stack([y, y // 3], 1)))
simple("labels-1-to-10", lambda: labels(lambda y: np.where(y == 0, 10, y).astype(np.uint8)))
simple("labels-plus-1", lambda: labels(lambda y: y + np.uint8(1)))
simple("labels-minus-1", lambda: labels(lambda y: y.astype(np.int8) - np.int8(1)))
simple(
    "labels-minus-1-in-places",
    lambda: labels(lambda y: np.where(np.arange(len(y)) % 50, y.astype(np.int8), np.int8(-1))),
)
simple("letters", lambda: labels(letters))
simple("letters-on-their-side", lambda: tuple(map(flip_images, labels(letters))))
simple("labels-with-gaps", lambda: labels(lambda y: y * np.uint8(25)))
simple("labels-as-characters", lambda: labels(lambda y: y + np.uint8(48)))
simple("two-classes", lambda: labels(lambda y: y % np.uint8(2)))
simple("labels-as-floats", lambda: labels(lambda y: y.astype(np.float32)))


@case("qmnist")
def _(folder):
    def rows(y):
        made = np.zeros((len(y), 8), np.int32)
        made[:, 0], made[:, 2], made[:, 3] = y, 2000, np.arange(len(y))
        return made

    # What its publishers have beside the four.
    put(folder, [gzip.compress(b"class\tseries\n5\t0\n")], ["qmnist-train-labels.tsv.gz"])
    put(folder, [lzma.compress(idx_bytes(digits()[0][:5]))], ["xnist-images-idx3-ubyte.xz"])

    names = [
        f"qmnist-{split}-{kind}"
        for split in ("train", "test")
        for kind in ("images-idx3-ubyte", "labels-idx2-int")
    ]
    put(folder, labels(rows), names)


@case("sorted-by-class")
def _(folder):
    x, y, u, v = digits()
    order = np.argsort(y, kind="stable")
    put(folder, (x[order], y[order], u, v))


@case("rare-class")
def _(folder):
    x, y, u, v = digits()
    kept = np.concatenate([np.flatnonzero(y == c)[: 2 if c == 4 else 30] for c in range(10)])
    kept.sort()
    put(folder, (x[kept], y[kept], u, v))


# Few of them.
def few(train, test):
    x, y, u, v = digits()
    return x[:train], y[:train], u[:test], v[:test]


def threes():
    x, y, u, v = digits()
    return x[y == 3], y[y == 3], u[v == 3], v[v == 3]


simple("ten-examples", lambda: few(10, 10))
simple("one-example", lambda: (digits()[0][:1], digits()[1][:1]) * 2)
simple("three-to-test", lambda: few(100, 3))
simple("one-class", threes)


# What pixels mean.
simple("on-their-side", lambda: images(flip))
simple("dark-on-bright", lambda: images(lambda x: 255 - x))
simple("float-0-to-1", lambda: images(lambda x: (x / 255).astype(np.float32)))
simple("float-0-to-255", lambda: images(lambda x: x.astype(np.float32)))
simple("double-0-to-255", lambda: images(lambda x: x.astype(np.float64)))
simple("int-0-to-255", lambda: images(lambda x: x.astype(np.int32)))
simple("short-0-to-255", lambda: images(lambda x: x.astype(np.int16)))
simple("byte-minus-128", lambda: images(lambda x: (x.astype(np.int16) - 128).astype(np.int8)))
simple("normalised", lambda: images(lambda x: ((x / 255 - 0.1307) / 0.3081).astype(np.float32)))
simple("0-and-1", lambda: images(lambda x: (x > 127).astype(np.uint8)))
simple("rgb", lambda: images(colour))
simple("rgb-channels-first", lambda: images(lambda x: np.moveaxis(colour(x), -1, 1)))
simple("grey-channel-first", lambda: images(lambda x: x[:, None]))
simple("grey-channel-last", lambda: images(lambda x: x[..., None]))
simple("rgb-wide", lambda: images(lambda x: colour(x).reshape(-1, 28, 84)))
simple("rows-of-pixels", lambda: images(lambda x: x.reshape(-1, 784)))
simple("one-pixel", lambda: images(lambda x: x[:, 14:15, 14:15]))
simple("noisy", lambda: images(noisy))
simple(
    "width-before-height",
    lambda: [idx_bytes(a.reshape(-1, 28, 20) if a.ndim == 3 else a) for a in narrow()],
)
simple("not-square", lambda: images(lambda x: x[:, 4:24]))


@case("medmnist")
def _(folder):
    x, y, u, v = digits()
    names = [
        f"pathmnist-{split}-{kind}-ubyte"
        for split in ("train", "test")
        for kind in ("images-idx4", "labels-idx2")
    ]
    put(folder, (colour(x), y[:, None] % 7, colour(u), v[:, None] % 7), names, ".gz", gzip.compress)


@case("not-a-number")
def _(folder):
    x, y, u, v = digits()
    broken = (x / 255).astype(np.float32)
    broken[17, 3, 3], broken[18, 0, 0] = np.nan, np.inf
    put(folder, (broken, y, (u / 255).astype(np.float32), v))
