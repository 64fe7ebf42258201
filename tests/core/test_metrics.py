import json

import pytest

from idxpipe.components.core.errors import DataError
from idxpipe.components.core.metrics import read_metrics
from tests.resealed import resealed


def test_what_was_written_is_read(tmp_path):
    body = {"schema_version": 2, "accuracy": 0.5, "more": [1]}
    (tmp_path / "m").write_text(json.dumps(body))
    assert read_metrics(str(tmp_path / "m")) == body


def test_a_changed_letter_is_noticed(tmp_path):
    whole = resealed({"schema_version": 2, "accuracy": 0.5})
    (tmp_path / "m").write_bytes(whole.replace(b"0.5", b"0.6"))
    with pytest.raises(DataError, match="no longer what was written"):
        read_metrics(str(tmp_path / "m"))


@pytest.mark.parametrize("version", [1, 3])
def test_another_version_is_refused(tmp_path, version):
    (tmp_path / "m").write_text(resealed({"schema_version": version, "accuracy": 0.5}).decode())
    with pytest.raises(DataError, match="a different version") as caught:
        read_metrics(str(tmp_path / "m"))
    assert (caught.value.expected, caught.value.found) == ("schema version 2", version)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "null", "\xff", "[" * 100_000),
        *(f'{{"schema_version": 2, "accuracy": {a}}}' for a in ("null", "NaN", "1.5", '"x"')),
        '{"schema_version": "2", "accuracy": 0.5}',
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_metrics_is_refused(tmp_path, text):
    (tmp_path / "m").write_text(text)
    with pytest.raises(DataError, match="not the metrics"):
        read_metrics(str(tmp_path / "m"))
