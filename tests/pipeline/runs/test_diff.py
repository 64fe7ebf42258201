import json
from pathlib import Path

import pytest

from idxpipe.components.core import storage
from idxpipe.pipeline.local import reasons
from idxpipe.pipeline.runs import diff
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.state import RunRecord, TaskRecord
from tests.pipeline.runs.commands import as_json, command


def test_diff_shows_only_what_differs(run, root, data, capsys):
    first = run()
    (data / "a").write_text("other\n")
    second = run(steps=11)
    found = as_json(capsys, "diff", first.run_id, second.run_id, "--root", str(root))
    kinds = {(d["kind"], d["name"]): (d["first"], d["second"]) for d in found["differences"]}
    assert kinds[("parameter", "steps")] == ("10", "11")
    assert found["mcnemar"] is None
    text = command(capsys, "diff", first.run_id, first.run_id, "--root", str(root)).out
    assert text == "nothing differs\n"


def test_the_code_of_a_stage_that_one_run_left_out_is_no_difference(run):
    first, second = run(), run(steps=11)
    task = next(task.name for task in second.tasks.values() if task.kind == "container")
    one, other = (reasons.parts_uri(r.root, r.run_id, task) for r in (first, second))
    storage.write(one, json.dumps({**reasons.read(one), "code": {"a.py": "1"}}).encode())
    assert ("code", "a.py") in {(d.kind, d.name) for d in diff.diff(first, second)}
    Path(storage.local_path(other)).unlink()
    assert {d.kind for d in diff.diff(first, second)}.isdisjoint({"code", "version"})


def test_luck_is_mcnemars_test(tmp_path):
    import base64

    import numpy as np
    from scipy.stats import binomtest

    def evaluated(name, right, images="i"):
        bits = base64.b64encode(np.packbits(right)).decode()
        facts = {
            "schema_version": 2,
            "accuracy": int(right.sum()) / len(right),
            "num_examples": len(right),
            "examples": {"images": images, "labels": "l", "right": bits},
        }
        (tmp_path / name).write_text(json.dumps(facts))
        metrics = Artifact("metrics", str(tmp_path / name), {"schemaTitle": "system.Metrics"})
        task = TaskRecord("evaluate", outputs=Values({}, {"metrics": metrics}))
        return RunRecord(name, "/r", "p", "d", {}, tasks={"evaluate": task})

    rng = np.random.default_rng(0)
    one, other = rng.random(500) < 0.9, rng.random(500) < 0.94
    found = diff.luck(evaluated("a", one), evaluated("b", other))
    assert (found.better, found.worse) == (int((other & ~one).sum()), int((one & ~other).sum()))
    expected = binomtest(found.better, found.better + found.worse).pvalue
    assert found.p_value == pytest.approx(expected, rel=1e-9)
    assert "McNemar" in str(found)
    assert diff.luck(evaluated("a", one), evaluated("c", one, "j")) is None


@pytest.mark.parametrize(("value", "text"), [(0.5, "p = 0.5"), (0.0, "p < 1e-300")])
def test_no_difference_is_said_to_be_impossible(value, text):
    assert str(diff.Luck(value, 2, 1)).endswith(f"McNemar's exact test, {text}")
