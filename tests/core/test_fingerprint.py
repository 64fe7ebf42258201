import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.fingerprint import Fingerprint


def of(data: bytes) -> Fingerprint:
    return Fingerprint().extend(data)


def test_check_value_of_the_standard():
    # RFC 3720, appendix B.4: 32 bytes of zeros.
    assert str(of(bytes(32))) == "32-8a9136aa"


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_joined_parts_are_the_whole(parts):
    joined = Fingerprint()
    for part in parts:
        joined = joined.join(of(part))
    whole = b"".join(parts)
    assert joined == of(whole) == Fingerprint(len(whole), google_crc32c.value(whole))


def test_join_of_a_large_part():
    data = bytes(range(256)) * 20_000
    assert of(b"head").join(of(data)) == of(b"head" + data)


@given(st.binary(max_size=50))
def test_text_round_trip(data):
    assert Fingerprint.parse(str(of(data))) == of(data)


@pytest.mark.parametrize("text", ["", "12", "x-00", "12-zz"])
def test_other_text_is_refused(text):
    with pytest.raises(UsageError, match="not a fingerprint"):
        Fingerprint.parse(text)
