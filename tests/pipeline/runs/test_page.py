"""The pages of runs: what they tell, that it is escaped, and that their links lead somewhere."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.stage import convert
from idxpipe.components.core import storage
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.components.core.report.png import data_uri
from idxpipe.pipeline.runs.page import index_page, run_page, write_pages
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.state import Ledger, RunRecord, Status, TaskRecord
from tests.idxfiles import idx_bytes

UPSTREAM = {"train": ["a"], "evaluate": ["train"]}


class Links(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "a":
            self.found.append(dict(attributes)["href"])


def trained(record, tmp_path):
    """Return a toy's record with a training's history, and an evaluation."""
    logs = tmp_path / "logs"
    logs.mkdir()
    points = [
        {"step": 10 * k, "loss": 1 / k, "validation_loss": 2 / k, "validation_accuracy": k / 9}
        for k in range(1, 9)
    ]
    (logs / "history.json").write_text(json.dumps({"schema_version": 1, "points": points}))
    metrics = tmp_path / "metrics.json"
    facts = {
        "accuracy_interval_95": [0.4, 0.6],
        "confusion_matrix": [[3, 1], [2, 4]],
        "mistakes": [{"index": 2, "label": 0, "predicted": 1, "confidence": 0.9}],
    }
    metrics.write_text(json.dumps(facts))
    kind = {"schemaTitle": "system.Metrics"}
    outputs = {
        "train": {"logs": Artifact("logs", str(logs), {"schemaTitle": "system.Artifact"})},
        "evaluate": {"metrics": Artifact("metrics", str(metrics), kind, {"accuracy": 0.5})},
    }
    tasks = {
        name: TaskRecord(name, status=Status.SUCCEEDED, outputs=Values({}, made))
        for name, made in outputs.items()
    }
    return replace(record, tasks={**record.tasks, **tasks})


def test_the_page_tells_what_the_run_was(run, tmp_path):
    record = trained(run(), tmp_path)
    text = run_page(record, UPSTREAM)
    for word in ("50.00", "95 % interval", "40.00", "looks at the data every time", "idxpipe run"):
        assert word in text
    assert text.count("<polyline") == 3
    # Of the loss both curves are in one chart, by the same scale.
    (loss, _) = re.findall(r"<figure>.*?</figure>", text, re.DOTALL)
    assert "training" in loss
    assert "validation" in loss


def test_the_page_shows_the_graph_and_the_confusion(run, tmp_path):
    record = trained(run(), tmp_path)
    text = run_page(record, UPSTREAM)
    (graph,) = re.findall(r"<svg class=\"chart graph\".*?</svg>", text, re.DOTALL)
    assert graph.count('class="node succeeded"') == len(record.tasks)
    assert graph.count('class="edge"') == 1
    (matrix,) = re.findall(r'<table class="matrix">.*?</table>', text, re.DOTALL)
    assert re.findall(r">([0-9]+)</td>", matrix) == ["3", "1", "2", "4"]


def test_the_worst_mistakes_have_the_examples_pictures(run, tmp_path):
    images = np.arange(10 * 64).astype(np.uint8).reshape(10, 8, 8)
    (tmp_path / "images").write_bytes(idx_bytes(images))
    (tmp_path / "labels").write_bytes(idx_bytes(np.arange(10, dtype=np.uint8) % 2))
    files = [str(tmp_path / name) for name in ("images", "labels", "records")]
    convert(*files, ConvertConfig(num_shards=3), LayoutConfig(image_shape="auto"))
    record = trained(run(), tmp_path)
    assert "Most confident mistakes" not in run_page(record, UPSTREAM)
    dataset = Artifact("dataset", str(tmp_path / "records"), {})
    task = replace(record.tasks["evaluate"], inputs=Values({}, {"dataset": dataset}))
    record = replace(record, tasks={**record.tasks, "evaluate": task})
    text = run_page(record, UPSTREAM)
    assert data_uri(images[2]) in text
    # A split that is gone is no failure.
    shutil.rmtree(tmp_path / "records")
    assert "Most confident mistakes" not in run_page(record, UPSTREAM)


def test_every_link_leads_somewhere(run, root):
    record = run()
    write_pages(record, UPSTREAM)
    for page in (Path(record.folder, "index.html"), root / "index.html"):
        found = Links(page.read_text()).found
        assert found
        for target in found:
            assert (page.parent / target).exists(), target


def test_what_comes_from_outside_is_escaped(run):
    record = run()
    evil = "<script>alert(1)</script>"
    task = replace(record.tasks["train"], status=Status.FAILED, error=evil)
    record = replace(record, parameters={evil: evil}, tasks={**record.tasks, "train": task})
    text = run_page(record, UPSTREAM)
    assert evil not in text
    assert "&lt;script&gt;" in text


def test_a_run_that_failed_has_a_page_too(run, root, monkeypatch):
    monkeypatch.setenv("BREAK", "a")
    record = run()
    write_pages(record, UPSTREAM)
    text = Path(record.folder, "index.html").read_text()
    assert "no model was evaluated" in text
    assert "wrong magic number" in text
    assert "failed" in (root / "index.html").read_text()


def test_a_page_that_cannot_be_written_is_no_failure(run, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    record = run()
    monkeypatch.setattr(storage, "write", full)
    write_pages(record, UPSTREAM)


def test_many_runs_are_one_small_page(tmp_path):
    kind = {"schemaTitle": "system.Metrics"}
    for number in range(300):
        metrics = Artifact("metrics", "/x", kind, {"accuracy": number / 300})
        task = TaskRecord("evaluate", outputs=Values({}, {"metrics": metrics}))
        run_id = f"20260101-{number:09d}-abcd"
        record = RunRecord(run_id, str(tmp_path), "p", "d", {"n": number}, tasks={"evaluate": task})
        with Ledger(record, {}) as ledger:
            ledger.close(Status.SUCCEEDED, 1.0)
    text = index_page(str(tmp_path))
    assert text.count("<tr>") == 301
    assert len(text) < 500 * 300 + 10_000
    # The newest first.
    assert text.index("000000299-abcd") < text.index("000000298-abcd")
