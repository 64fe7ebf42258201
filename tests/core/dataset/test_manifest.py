import dataclasses
import json
import re

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import (
    MANIFEST,
    Dataset,
    Shard,
    read_dataset,
    shard_uris,
)
from idxpipe.components.core.errors import CONVERT_AGAIN, DataError
from tests.resealed import resealed

DATASET = Dataset(
    split="train",
    image_shape=(2, 3),
    image_dtype="uint8",
    num_classes=2,
    class_counts=(3, 2),
    shards=(Shard("a", 2, 20, 1), Shard("b", 3, 30, 2)),
    sources={"images": "1-00000000", "labels": "2-00000000"},
    converter="0",
)


SHARD = dataclasses.asdict(DATASET.shards[0])


def publish(folder, data: bytes) -> str:
    storage.write(str(folder / MANIFEST), data)
    return str(folder)


def test_round_trip(tmp_path):
    assert read_dataset(publish(tmp_path, DATASET.dumps())) == DATASET
    assert DATASET.num_examples == 5


def test_an_older_manifest_has_no_checksum_and_a_changed_letter_is_noticed(tmp_path):
    older = {name: v for name, v in json.loads(DATASET.dumps()).items() if name != "crc32c"}
    assert read_dataset(publish(tmp_path, json.dumps(older).encode())) == DATASET
    letter = DATASET.dumps().replace(b'"split": "train"', b'"split": "crain"')
    with pytest.raises(DataError, match="no longer what was written"):
        read_dataset(publish(tmp_path, letter))


def test_no_manifest_is_no_dataset(tmp_path):
    (tmp_path / "train.tfrecord").write_bytes(b"")
    with pytest.raises(DataError, match="no dataset here"):
        read_dataset(str(tmp_path))


def changed(**values) -> bytes:
    return resealed(json.loads(DATASET.dumps()) | values)


def without(name: str) -> bytes:
    body = json.loads(DATASET.dumps())
    del body[name]
    return resealed(body)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"{", "not a dataset manifest"),
        (b"[]", "not a dataset manifest"),
        (changed(schema_version=3), "schema version that this idxpipe cannot read"),
        (changed(shards=[{"name": "a"}]), "incomplete"),
        (b'{"schema_version": 2}', "incomplete"),
        (changed(num_examples=6), "contradicts itself"),
        (changed(class_counts=[3, 3]), "contradicts itself"),
        (changed(num_examples=None), "contradicts itself"),
        (changed(sources=5), "incomplete"),
        (changed(sources={"images": 1}), "sources.images: 1 is not text"),
        (changed(split=""), "split: '' is not text"),
        (changed(class_counts=["3", 2]), "class_counts: '3' is not a whole number"),
        (changed(class_counts=[5]), "class_counts: 1 of 2"),
        (changed(num_classes=10**13), "class_counts: 2 of 10000000000000"),
        (changed(num_classes="2"), "num_classes: '2' is not a whole number"),
        (changed(image_dtype="object"), "image_dtype: 'object' is not one of uint8"),
        (changed(image_shape=["2", 3]), "image_shape: '2' is not a whole number"),
        (changed(image_shape=[-2, -3]), "image_shape: -2 is not a whole number"),
        (changed(image_shape=[6]), "has not 2 or 3 dimensions"),
        (changed(image_shape=[10**9, 10**9]), "do not fit into 20 bytes"),
        (changed(shards=[]), "shards: none"),
        (changed(shards=[SHARD | {"name": 5}]), "name of a shard: 5 is not text"),
        (changed(shards=[SHARD | {"examples": "5"}]), "examples of a shard: '5'"),
        (changed(shards=[SHARD | {"examples": 0}]), "examples of a shard: 0 .*, 1 or more"),
        (changed(shards=[SHARD | {"bytes": True}]), "bytes of a shard: True"),
        (changed(shards=[SHARD | {"crc32c": 2**32}]), "crc32c of a shard: .*, 0 to 4294967295"),
        (without("num_examples"), "incomplete"),
    ],
)
def test_a_manifest_that_cannot_be_trusted_is_refused(tmp_path, data, problem):
    with pytest.raises(DataError) as caught:
        read_dataset(publish(tmp_path, data))
    assert re.search(problem, str(caught.value))


def test_shards_are_checked_for_presence_and_length(tmp_path):
    folder = publish(tmp_path, DATASET.dumps())
    storage.write(str(tmp_path / "a"), bytes(20))
    with pytest.raises(DataError, match="no such file"):
        shard_uris(folder, DATASET)
    storage.write(str(tmp_path / "b"), bytes(29))
    with pytest.raises(DataError, match="differs in length"):
        shard_uris(folder, DATASET)
    storage.write(str(tmp_path / "b"), bytes(30))
    assert shard_uris(folder, DATASET) == [f"{folder}/a", f"{folder}/b"]


def test_a_shard_outside_its_folder_is_refused(tmp_path):
    evil = dataclasses.replace(DATASET, shards=(Shard("../../etc/passwd", 5, 50, 1),))
    with pytest.raises(DataError, match="leads out"):
        shard_uris(str(tmp_path), evil)


def test_a_dataset_whose_files_were_deleted_says_how_to_get_past_the_cache(tmp_path):
    with pytest.raises(DataError) as caught:
        read_dataset(str(tmp_path))
    assert "submit --no-cache" in caught.value.remedy
    assert "submit --no-cache" in CONVERT_AGAIN
