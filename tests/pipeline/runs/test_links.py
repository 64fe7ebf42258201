import dataclasses
import os
import shutil
from pathlib import Path

from idxpipe.components.core import storage
from idxpipe.pipeline.runs import links
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.state import RunRecord, TaskRecord


def test_links_are_relative_and_leave_other_peoples_files_alone(run, root, tmp_path):
    record = run()
    ours = dataclasses.replace(record, tasks={**record.tasks, "evaluate": record.tasks["judge"]})
    Path(record.folder, "report.html").write_text("mine")
    links.link(ours)
    links.link(ours)
    assert os.readlink(root / "latest") == f"runs/{record.run_id}"
    model = Path(record.folder, "model")
    assert not os.path.isabs(os.readlink(model))
    assert (model / "model").read_text() == "FIRST\n"
    assert Path(record.folder, "report.html").read_text() == "mine"
    moved = tmp_path / "moved"
    shutil.move(root, moved)
    assert (moved / "latest" / "model" / "model").read_text() == "FIRST\n"


def test_in_a_bucket_a_link_is_a_file_with_the_address(one_gcs):
    artifact = Artifact("model", f"{one_gcs}/a/model", {"schemaTitle": "system.Model"})
    task = TaskRecord("train", outputs=Values({}, {"model": artifact}))
    links.link(RunRecord("r1", one_gcs, "p", "d", {}, tasks={"train": task}))
    assert storage.read(f"{one_gcs}/runs/r1/model") == f"{one_gcs}/a/model\n".encode()
    assert storage.read(f"{one_gcs}/latest") == f"{one_gcs}/runs/r1\n".encode()


def test_a_page_in_a_bucket_links_to_what_lies_beside_it():
    assert links.relative("gs://b/runs/r", "gs://b/runs/r/logs/a.log") == "logs/a.log"
    assert links.relative("gs://b/runs/r", "gs://b/runs/r2/logs/a.log").startswith("gs://")
