"""The pages of runs: what they tell, that it is escaped, and that their links lead somewhere."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

from idxpipe.components.core import storage
from idxpipe.pipeline.runs.page import index_page, run_page, write_pages
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.state import Ledger, RunRecord, Status, TaskRecord


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
    metrics.write_text('{"accuracy_interval_95": [0.4, 0.6]}')
    kind = {"schemaTitle": "system.Metrics"}
    outputs = {
        "train": {"logs": Artifact("logs", str(logs), {"schemaTitle": "system.Artifact"})},
        "evaluate": {"metrics": Artifact("metrics", str(metrics), kind, {"accuracy": 0.5})},
    }
    tasks = {
        name: TaskRecord(name, status=Status.SUCCEEDED, outputs=Values({}, made))
        for name, made in outputs.items()
    }
    return dataclasses.replace(record, tasks={**record.tasks, **tasks})


def test_the_page_tells_what_the_run_was(run, tmp_path):
    record = trained(run(), tmp_path)
    text = run_page(record)
    for word in ("50.00", "95 % interval", "40.00", "looks at the data every time", "idxpipe run"):
        assert word in text
    assert text.count("<polyline") == 3
    # Of the loss both curves are in one chart, by the same scale.
    (loss, _) = re.findall(r"<figure>.*?</figure>", text, re.DOTALL)
    assert "training" in loss
    assert "validation" in loss


def test_every_link_leads_somewhere(run, root):
    record = run()
    write_pages(record)
    for page in (Path(record.folder, "index.html"), root / "index.html"):
        found = Links(page.read_text()).found
        assert found
        for target in found:
            assert (page.parent / target).exists(), target


def test_what_comes_from_outside_is_escaped(run):
    record = run()
    evil = "<script>alert(1)</script>"
    task = dataclasses.replace(record.tasks["train"], status=Status.FAILED, error=evil)
    record = dataclasses.replace(
        record, parameters={evil: evil}, tasks={**record.tasks, "train": task}
    )
    text = run_page(record)
    assert evil not in text
    assert "&lt;script&gt;" in text


def test_a_run_that_failed_has_a_page_too(run, root, monkeypatch):
    monkeypatch.setenv("BREAK", "a")
    record = run()
    write_pages(record)
    text = Path(record.folder, "index.html").read_text()
    assert "no model was evaluated" in text
    assert "wrong magic number" in text
    assert "failed" in (root / "index.html").read_text()


def test_a_page_that_cannot_be_written_is_no_failure(run, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    record = run()
    monkeypatch.setattr(storage, "write", full)
    write_pages(record)


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
