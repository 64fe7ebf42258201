import json

import pytest

from idxpipe.components.core.integrity.sealed import seal, unseal

VALUE = {"schema_version": 3, "name": "ä\n", "numbers": [1, 2.5, None]}


def test_what_is_sealed_is_json_and_comes_back():
    data = seal(VALUE, indent=1)
    assert json.loads(data) == {**VALUE, "crc32c": data[12:20].decode()}
    assert unseal(data, since=3) == VALUE
    assert seal(VALUE, indent=1) == data


def test_trust_4_every_flipped_bit_is_noticed():
    data = seal(VALUE, indent=1)
    for place in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises((ValueError, TypeError)):
            unseal(bytes(damaged), since=3)


def test_every_cut_is_noticed():
    data = seal(VALUE, indent=1)
    for length in range(len(data)):
        with pytest.raises((ValueError, TypeError)):
            unseal(data[:length], since=3)


def test_only_older_documents_have_no_checksum():
    older = json.dumps({**VALUE, "schema_version": 2}).encode()
    assert unseal(older, since=3)["schema_version"] == 2
    assert unseal(b'{"name": 1}', since=3) == {"name": 1}
    with pytest.raises(ValueError, match="checksum is missing"):
        unseal(json.dumps(VALUE).encode(), since=3)


def test_what_json_has_not_can_be_refused():
    assert b"NaN" in seal({"a": float("nan")}, indent=1)
    with pytest.raises(ValueError, match="Out of range"):
        seal({"a": float("nan")}, indent=1, allow_nan=False)
