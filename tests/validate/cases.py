"""A file or data set that triggers each code of the catalogue: one function per code.

Each takes the files of a data set that is in order, by role, breaks it, and returns the parameters
that it wants changed.
"""

import gzip
import json
import os
import struct
from pathlib import Path

import numpy as np

from tests.idxfiles import make_arrays, write_data_set, write_idx

TRAIN, TEST = 200, 40


def data_set(folder: Path) -> dict[str, str]:
    """Write a data set without any finding; images are 28x28, classes 10."""
    return write_data_set(folder, make_arrays(TRAIN, TEST))


def missing(files):
    os.remove(files["test_labels"])


def not_idx(files):
    patch(files["train_images"], 0, b"\1")


def other_content(files):
    Path(files["train_images"]).write_bytes(b"\n <!DOCTYPE html><title>404</title>")


def empty_file(files):
    Path(files["train_labels"]).write_bytes(b"")


def header_cut(files):
    cut(files["train_images"], 11)


def type_code(files):
    patch(files["test_images"], 2, b"\x07")


def no_rank(files):
    patch(files["test_labels"], 3, b"\0")


def no_records(files):
    write_idx(Path(files["test_images"]), np.zeros((0, 28, 28), np.uint8))


def no_pixels(files):
    write_idx(Path(files["test_images"]), np.zeros((TEST, 0, 28), np.uint8))


def absurd(files):
    patch(files["test_images"], 8, struct.pack(">2I", 1 << 31, 1 << 31))


def cut_short(files):
    cut(files["train_images"], 5000)


def goes_on(files):
    append(files["train_labels"], b"\0\0")


def gzip_cut(files):
    pack(files["train_images"])
    cut(files["train_images"], 9000)


def gzip_damaged(files):
    pack(files["train_images"])
    patch(files["train_images"], -8, b"\0\0\0\0")


def gzip_trailing(files):
    pack(files["train_labels"])
    append(files["train_labels"], b"junk")


def gzip_bomb(files):
    pack(files["test_labels"], bytes(8 << 20))


def gzip_members(files):
    path = Path(files["train_images"])
    data = path.read_bytes()
    path.write_bytes(gzip.compress(data[:700]) + gzip.compress(data[700:]))


def labels_as_images(files):
    Path(files["train_images"]).write_bytes(Path(files["train_labels"]).read_bytes())


def images_as_labels(files):
    Path(files["test_labels"]).write_bytes(Path(files["test_images"]).read_bytes())


def images_rank(files):
    write_idx(Path(files["train_images"]), np.zeros((TRAIN, 784), np.uint8))


def labels_rank(files):
    write_idx(Path(files["train_labels"]), np.zeros((TRAIN, 1, 1, 1, 1), np.uint8))


def labels_type(files):
    change(files, "train_labels", lambda labels: labels.astype(np.float32))


def label_column(files):
    change(files, "train_labels", lambda labels: np.stack([labels] * 2, 1).astype(np.int32))
    change(files, "test_labels", lambda labels: np.stack([labels] * 3, 1).astype(np.int32))
    return {"label_column": 2}


def image_shape(files):
    return {"image_shape": "32x32"}


def label_range(files):
    def wrong(labels):
        labels[7] = 200

    change(files, "test_labels", wrong)


def counts(files):
    change(files, "test_labels", lambda labels: labels[:-1])


def split_shapes(files):
    change(files, "test_images", lambda images: images.reshape(-1, 14, 56))
    return {"image_shape": "auto"}


def split_types(files):
    change(files, "test_images", lambda images: images.astype(np.int16))


def unseen_labels(files):
    def without_nine(labels):
        labels[labels == 9] = 8

    change(files, "train_labels", without_nine)


def imbalance(files):
    def nearly_all_three(labels):
        labels[10:] = 3

    change(files, "train_labels", nearly_all_three)


def missing_classes(files):
    return {"num_classes": 12}


def constant_images(files):
    def one(images):
        images[3] = 9

    change(files, "train_images", one)


def repeated(files):
    def twice(images):
        images[110] = images[10]

    change(files, "train_images", twice)


def leakage(files):
    leaked = make_arrays(TRAIN, TEST)["train_images"][150]

    def one(images):
        images[20] = leaked

    change(files, "test_images", one)


def all_zero(files):
    change(files, "test_images", np.zeros_like)


def inverted(files):
    for split in ("train", "test"):
        change(files, f"{split}_images", lambda images: 255 - blob(images, 10, 5))


def transposed(files):
    for split in ("train", "test"):
        change(files, f"{split}_images", lambda images: blob(images, 4, 12))


def not_finite(files):
    def with_nan(images):
        images = images.astype(np.float32)
        images[4, 2, 2] = np.nan
        return images

    change(files, "train_images", with_nan)
    # As many as it takes to tell.
    more = make_arrays(60, 60, seed=1)
    write_idx(Path(files["test_images"]), more["test_images"].astype(np.float32))
    write_idx(Path(files["test_labels"]), more["test_labels"])


def label_conflicts(files):
    def twice(images):
        images[111] = images[10]

    change(files, "train_images", twice)


def one_hot(files):
    for split in ("train", "test"):
        change(files, f"{split}_labels", lambda labels: np.eye(10, dtype=np.uint8)[labels])


def channels_first(files):
    for split in ("train", "test"):
        change(files, f"{split}_images", lambda images: np.stack([images, images, images], 1))
    return {"image_shape": "auto"}


def split_scales(files):
    change(files, "train_images", lambda images: (images / 255).astype(np.float32))
    change(files, "test_images", lambda images: images.astype(np.float32))


def split_looks(files):
    change(files, "train_images", lambda images: blob(images, 10, 5))
    # As many as it takes to tell.
    write_idx(Path(files["test_images"]), blob(make_arrays(60, 60, seed=1)["test_images"], 4, 12))
    write_idx(Path(files["test_labels"]), make_arrays(60, 60, seed=1)["test_labels"])


def pixel_range(files):
    for split in ("train", "test"):
        change(files, f"{split}_images", lambda images: images // 32)


def is_sorted(files):
    change(files, "train_labels", np.sort)


def label_base(files):
    for split in ("train", "test"):
        change(files, f"{split}_labels", lambda labels: labels + 1)
    return {"num_classes": 11}


def label_rows(files):
    for split in ("train", "test"):
        change(files, f"{split}_labels", lambda labels: np.stack([labels, labels // 2], 1))


def sides(files):
    for split in ("train", "test"):
        change(files, f"{split}_images", lambda images: blob(images, 6, 3)[:, :20].copy())
        # The header says 28x20.
        patch(files[f"{split}_images"], 8, struct.pack(">2I", 28, 20))
    return {"image_shape": "28x20"}


def one_class(files):
    for split in ("train", "test"):
        change(files, f"{split}_labels", np.zeros_like)
    return {"num_classes": 0}


def baseline_shape(files):
    return baseline(files, image_shape=[32, 32])


def baseline_type(files):
    return baseline(files, image_dtype="float32")


def baseline_classes(files):
    return baseline(files, num_classes=47)


def baseline_shares(files):
    counts = {"train": [100, *[10] * 9], "test": [4] * 10}
    return baseline(files, splits={name: {"class_counts": c} for name, c in counts.items()})


def baseline(files, **other):
    report = {"schema_version": 2, "image_shape": [28, 28], "image_dtype": "uint8"}
    path = Path(files["train_images"]).parent / "baseline.json"
    path.write_text(json.dumps(report | {"num_classes": 10} | other))
    return {"data_baseline": str(path)}


def blob(images, height, width):
    """Draw a bright block in the middle of each image, on what is nearly black."""
    images = images // 16
    images[:, 14 - height : 14 + height, 14 - width : 14 + width] += 180
    return images


def change(files, role, how):
    """Write what `how` makes of the array; or the array, if it changes that and returns nothing."""
    array = make_arrays(TRAIN, TEST)[role]
    made = how(array)
    write_idx(Path(files[role]), array if made is None else made)


def patch(path, offset, data):
    content = bytearray(Path(path).read_bytes())
    offset %= len(content)
    content[offset : offset + len(data)] = data
    Path(path).write_bytes(content)


def cut(path, length):
    os.truncate(path, length)


def append(path, data):
    with open(path, "ab") as stream:
        stream.write(data)


def pack(path, more=b""):
    Path(path).write_bytes(gzip.compress(Path(path).read_bytes() + more, 1))


CASES = {
    "IDX001": missing,
    "IDX002": not_idx,
    "IDX003": other_content,
    "IDX004": empty_file,
    "IDX005": header_cut,
    "IDX006": type_code,
    "IDX007": no_rank,
    "IDX008": no_records,
    "IDX009": no_pixels,
    "IDX010": absurd,
    "IDX011": cut_short,
    "IDX012": goes_on,
    "IDX020": gzip_cut,
    "IDX021": gzip_damaged,
    "IDX022": gzip_trailing,
    "IDX023": gzip_bomb,
    "IDX024": gzip_members,
    "IDX030": labels_as_images,
    "IDX031": images_as_labels,
    "IDX032": images_rank,
    "IDX033": labels_rank,
    "IDX034": labels_type,
    "IDX035": label_column,
    "IDX036": image_shape,
    "IDX037": label_range,
    "IDX038": one_hot,
    "IDX039": channels_first,
    "IDX040": counts,
    "IDX041": split_shapes,
    "IDX042": split_types,
    "IDX043": unseen_labels,
    "IDX044": split_scales,
    "IDX045": split_looks,
    "IDX050": imbalance,
    "IDX051": missing_classes,
    "IDX052": constant_images,
    "IDX053": repeated,
    "IDX054": leakage,
    "IDX055": all_zero,
    "IDX056": inverted,
    "IDX057": transposed,
    "IDX058": not_finite,
    "IDX059": label_conflicts,
    "IDX060": baseline_shape,
    "IDX061": baseline_type,
    "IDX062": baseline_classes,
    "IDX063": baseline_shares,
    "IDX070": pixel_range,
    "IDX071": is_sorted,
    "IDX072": label_base,
    "IDX073": label_rows,
    "IDX074": sides,
    "IDX075": one_class,
}
