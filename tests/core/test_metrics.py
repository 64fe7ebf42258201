import json

import pytest

from idxpipe.components.core.errors import DataError
from idxpipe.components.core.metrics import read_metrics


def test_what_was_written_is_read(tmp_path):
    body = {"schema_version": 2, "accuracy": 0.5, "more": [1]}
    (tmp_path / "m").write_text(json.dumps(body))
    assert read_metrics(str(tmp_path / "m")) == body


@pytest.mark.parametrize("version", [1, 3])
def test_another_version_is_refused(tmp_path, version):
    (tmp_path / "m").write_text(json.dumps({"schema_version": version, "accuracy": 0.5}))
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
