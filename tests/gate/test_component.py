import json

import pytest
from kfp import dsl

from idxpipe.components.gate.component import gate


def test_it_ends_the_process_with_code_4(tmp_path, capsys):
    file = tmp_path / "metrics.json"
    file.write_text(json.dumps({"schema_version": 2, "accuracy": 0.6, "baseline": None}))
    metrics = dsl.Metrics(uri=str(file))
    gate.python_func(metrics=metrics, min_accuracy=0.6)
    with pytest.raises(SystemExit) as caught:
        gate.python_func(metrics=metrics, min_accuracy=0.9)
    assert caught.value.code == 4
    assert "error: " in capsys.readouterr().err
