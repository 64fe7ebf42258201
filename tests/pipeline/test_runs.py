"""Looking at runs, comparing them and throwing them away, on the toy pipeline."""

import dataclasses
import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.pipeline import state
from idxpipe.pipeline.cli.main import main
from idxpipe.pipeline.runs import accept, clean, diff, links, listing
from idxpipe.pipeline.runs.clean import Choice
from idxpipe.pipeline.runs.reference import Kind, find_run, resolve
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.state import RunRecord, Status, TaskRecord
from tests.pipeline import toy

MODEL = Kind("model", "system.Model", "model", "train")
DATASET = Kind("dataset", "system.Dataset", "content", "copy-train")


def command(capsys, *words, code=0):
    assert main(list(words)) == code
    return capsys.readouterr()


def as_json(capsys, *words):
    return json.loads(command(capsys, *words, "--json").out)


def test_a_run_is_called_by_its_id_its_beginning_latest_or_its_folder(run, root, monkeypatch):
    first, second = run(), run(steps=11)
    assert find_run("latest", str(root)).run_id == second.run_id
    assert find_run(first.run_id, str(root)).run_id == first.run_id
    assert find_run(first.folder, "/elsewhere").run_id == first.run_id
    assert find_run(f"{first.folder}/", "/elsewhere").root == str(root)
    with pytest.raises(UsageError, match="no such run"):
        find_run("nope", str(root))


def test_what_a_run_made_is_named_by_the_run(run, root):
    record = run()
    made = record.tasks["train"].outputs.artifacts["model"].uri
    for text in ("latest", record.run_id, record.run_id[:13], record.folder, str(root)):
        assert resolve(text, str(root), MODEL) == made, text
    assert resolve(made, str(root), MODEL) == made
    assert resolve(os.path.dirname(made), str(root), MODEL) == os.path.dirname(made)
    assert resolve("no/such/path", str(root), MODEL) == "no/such/path"
    test = record.tasks["copy-test"].outputs.artifacts["dataset"].uri
    assert resolve("latest:copy-test", str(root), DATASET) == test
    with pytest.raises(UsageError, match="this run's stage has made no dataset") as caught:
        resolve("latest:judge", str(root), DATASET)
    assert f"{record.run_id}:copy-test" in str(caught.value)
    with pytest.raises(DataError, match="this run has made no cake"):
        resolve("latest", str(root), Kind("cake", "system.Cake", "", "bake"))


def test_a_folder_that_is_called_latest_is_a_folder(run, root, tmp_path, monkeypatch):
    run()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "model").write_text("")
    assert resolve("latest", str(root), MODEL) == "latest"


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


def test_runs_are_listed_sorted_and_filtered(run, root, capsys):
    first, second = run(), run(steps=11)
    shown = command(capsys, "runs", "--root", str(root)).out
    assert shown.index(second.run_id) < shown.index(first.run_id)
    assert "0.5000" in shown
    assert "steps=11" in shown
    assert listing.local_date(first.started) in shown
    only = as_json(capsys, "runs", "--root", str(root), "--where", "steps=10")
    assert [found["run_id"] for found in only] == [first.run_id]
    slow = max((first, second), key=lambda record: record.seconds)
    assert (
        as_json(capsys, "runs", "--root", str(root), "--sort", "time")[0]["run_id"] == slow.run_id
    )
    assert len(as_json(capsys, "runs", "--root", str(root), "--limit", "1")) == 1
    Path(first.folder, "run.json").write_text("{")
    assert "record of this run is damaged" in command(capsys, "runs", "--root", str(root)).out
    assert "NAME=VALUE" in command(capsys, "runs", "--root", str(root), "--where", "x", code=2).err


def test_a_mistyped_root_is_an_error(capsys, tmp_path):
    said = command(capsys, "runs", "--root", str(tmp_path / "ot"), code=2).err
    assert "no run is recorded here" in said


def test_what_differs_from_the_defaults_is_what_was_changed():
    values = {"data": "d", "train_images": "", "train_labels": "", "test_images": ""}
    ours = {**values, "test_labels": "", "batch_size": -1, "train_steps": 60}
    record = RunRecord("r", "/r", "idxpipe", "d", ours)
    assert listing.changed(record) == {"data": "d", "train_steps": 60}
    assert listing.words({"learning_rate": -1.0, "model": "cnn"}) == (
        "learning_rate=the recipe's model=cnn"
    )


def test_show_tells_all_there_is_to_know(run, root, capsys):
    record = run()
    shown = command(capsys, "show", "latest", "--root", str(root)).out
    for word in (record.run_id, "first time", "looks at the data every time", "steps", "train.log"):
        assert word in shown
    shutil.rmtree(record.tasks["train"].folder)
    assert "gone" in command(capsys, "show", "--root", str(root)).out
    assert as_json(capsys, "show", "--root", str(root))["run_id"] == record.run_id


def test_show_params_is_what_run_params_takes(run, root, data, capsys, tmp_path):
    run(steps=12)
    path = tmp_path / "toy.yaml"
    path.write_bytes(toy.text(toy.toy()))
    (tmp_path / "given.yaml").write_text(
        command(capsys, "show", "--params", "--root", str(root)).out
    )
    again = ("run", "--root", str(root), "--pipeline", str(path), "--params")
    record = as_json(capsys, *again, str(tmp_path / "given.yaml"))
    assert record["parameters"] == {"data": str(data), "steps": 12}
    assert record["tasks"]["train"]["status"] == "cached"


def test_a_log_is_printed_and_followed(run, root, capsys, monkeypatch):
    monkeypatch.setenv("BREAK", "a")
    record = run()
    words = ("log", "latest", "copy-train", "--root", str(root))
    assert "something before" in command(capsys, *words).out
    assert "no such stage" in command(capsys, "log", "latest", "x", "--root", str(root), code=2).err
    said = command(capsys, "log", "latest", "train", "--root", str(root), code=2).err
    assert "printed nothing in this run" in said
    # While it runs, what comes later is printed, too.
    log = record.tasks["copy-train"].log
    running = dataclasses.replace(record.tasks["copy-train"], status=Status.RUNNING)
    states = [running, running, record.tasks["copy-train"]]

    def find(args):
        with open(log, "a") as stream:
            stream.write("more\nand ")
        return states.pop(0) if states else record.tasks["copy-train"]

    monkeypatch.setattr("idxpipe.pipeline.cli.runs.log._find", find)
    monkeypatch.setattr("idxpipe.pipeline.cli.runs.log._POLL_SECONDS", 0)
    assert command(capsys, *words, "--follow").out.count("more") >= 3


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


def test_resume_goes_on_where_a_run_stopped(run, root, capsys, monkeypatch):
    monkeypatch.setenv("BREAK", "train")
    stopped = run()
    monkeypatch.delenv("BREAK")
    record = as_json(capsys, "resume", "--root", str(root))
    assert record["status"] == "succeeded"
    assert record["earlier"] == stopped.run_id
    assert record["tasks"]["train"]["status"] == "succeeded"
    said = command(capsys, "resume", "--root", str(root), code=2).err
    assert "there is nothing to go on with" in said


def test_accept_takes_a_result_for_the_code_of_today(run, root, capsys, pipeline, monkeypatch):
    record = run()
    assert accept.accept(record, "train") == {"train": []}
    monkeypatch.setattr("idxpipe.pipeline.local.code._version", lambda name: "9.9")
    monkeypatch.setattr(
        "idxpipe.pipeline.local.identity.code.versions", lambda packages: {"keras": "9.9"}
    )
    found = as_json(capsys, "accept", "train", "--root", str(root))
    assert (
        "keras none -> 9.9" in "; ".join(found["accepted"]["train"]) or found["accepted"]["train"]
    )
    later = run()
    assert later.tasks["train"].status == "cached"
    assert all(reason.startswith("accepted: ") for reason in later.tasks["train"].reasons)
    # Nobody accepted the others.
    assert later.tasks["copy-train"].status == "succeeded"
    assert "no such stage" in command(capsys, "accept", "cake", "--root", str(root), code=2).err


@pytest.fixture
def three(run, data, monkeypatch):
    """Return runs: one, one that failed on other data, and one with other parameters."""
    first = run()
    monkeypatch.setenv("BREAK", "b")
    (data / "b").write_text("other\n")
    failed = run()
    monkeypatch.delenv("BREAK")
    (data / "b").write_text("second\n")
    return first, failed, run(steps=11)


def left(root):
    return {path.name for path in (root / "runs").iterdir()}


def folders(*records):
    """Return the folders that the tasks of some runs have their results in."""
    return {task.folder for record in records for task in record.tasks.values() if task.folder}


def test_what_is_not_told_to_go_stays(three, root, capsys):
    said = command(capsys, "clean", "--root", str(root)).out
    # What the failed run left half done is used by nobody who is kept: it is kept.
    assert "nothing would go" in said
    said = command(capsys, "clean", "--failed", "--root", str(root)).out
    assert "would be freed: --yes deletes it" in said
    assert left(root) == {record.run_id for record in three}


def test_clean_never_takes_what_a_kept_run_uses(three, root, capsys):
    first, failed, last = three
    command(capsys, "clean", "--failed", "--yes", "--root", str(root))
    assert left(root) == {first.run_id, last.run_id}
    assert all(os.path.exists(folder) for folder in folders(first, last))
    assert not any(os.path.exists(folder) for folder in folders(failed) - folders(first, last))
    command(capsys, "clean", "--keep-last", "1", "--yes", "--root", str(root))
    assert left(root) == {last.run_id}
    assert all(os.path.exists(folder) for folder in folders(last))
    assert not any(os.path.exists(folder) for folder in folders(first) - folders(last))
    # All that the cache holds for the last run is still good.
    record = state.load(str(root), last.run_id)
    assert record.tasks["judge"].outputs.artifacts["report"].inventory()


def test_a_pinned_run_and_a_foreign_file_stay(three, root, capsys):
    first, _, _ = three
    command(capsys, "pin", first.run_id, "--root", str(root))
    note = root / "artifacts" / "train" / "notes" / "mine.txt"
    note.parent.mkdir()
    note.write_text("mine")
    command(capsys, "clean", "--keep-last", "0", "--yes", "--root", str(root))
    assert left(root) == {first.run_id}
    assert all(os.path.exists(folder) for folder in folders(first))
    assert note.read_text() == "mine"
    said = command(capsys, "rm", first.run_id, "--yes", "--root", str(root), code=2).err
    assert f"idxpipe unpin {first.run_id}" in said
    command(capsys, "unpin", first.run_id, "--root", str(root))
    command(capsys, "rm", first.run_id, "--yes", "--root", str(root))
    assert left(root) == set()


def test_what_a_living_run_works_on_stays(run, root, monkeypatch, tmp_path):
    mark = tmp_path / "mark"
    monkeypatch.setenv("HANG", "a")
    monkeypatch.setenv("HANG_MARK", str(mark))
    found = []
    thread = threading.Thread(target=lambda: found.append(run(grace=0.1)), daemon=True)
    thread.start()
    while not mark.exists():
        assert thread.is_alive()
    (living,) = left(root)
    waste = clean.waste(str(root), Choice(keep_last=0, failed=True))
    assert [one.uri for one in waste if one.kind == "run"] == []
    assert not any("copy-train" in one.uri for one in waste)
    with pytest.raises(UsageError, match="this run is kept"):
        clean.waste(str(root), Choice(runs=[living]))


def test_age(run, root):
    record = run()
    assert clean.parse_age("30d").days == 30
    with pytest.raises(UsageError, match="invalid value"):
        clean.parse_age("a month")
    assert clean.waste(str(root), Choice(older_than=clean.parse_age("1d"))) == []
    waste = clean.waste(str(root), Choice(older_than=clean.parse_age("0m")))
    assert [one.uri for one in waste if one.kind == "run"] == [record.folder]


def test_a_damaged_record_stops_the_cleaning(run, root, capsys):
    record = run()
    Path(record.folder, "run.json").write_text("{")
    assert (
        "damaged" in command(capsys, "clean", "--keep-last", "0", "--root", str(root), code=3).err
    )


def test_open_names_the_page(run, root, capsys, monkeypatch):
    record = run()
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    assert "has no page" in command(capsys, "open", "--root", str(root), code=2).err
    page = Path(record.folder, "index.html")
    page.write_text("")
    assert command(capsys, "open", "--root", str(root)).out == f"{page}\n"
    assert opened == [f"file://{page}"]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (26_300_000, "26.3 MB")]
)
def test_sizes(count, text):
    assert listing.size(count) == text
