"""Which code and which libraries a stage's key depends on."""

import idxpipe.components as stages
from idxpipe.pipeline.local import code, runner
from idxpipe.pipeline.spec.parse import parse
from tests.pipeline import toy


def test_code_changed(tmp_path, monkeypatch, root):
    package = tmp_path / "components"
    for name in ("core", "train", "convert"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(stages, "__path__", [str(package)])
    tasks = {"one": toy.task("echo from idxpipe.components.train.stage import train")}
    pipeline = parse(toy.text(toy.document(tasks)))

    def status():
        return runner.run(pipeline, {}, str(root)).tasks["one"].status

    assert status() == "succeeded"
    assert status() == "cached"
    (package / "convert" / "stage.py").write_text("another stage")
    (package / "train" / "notes.txt").write_text("not code")
    assert status() == "cached"
    for changed in ("train/stage.py", "train/deep.html", "core/x.py", "__init__.py"):
        (package / changed).write_text("changed")
        assert status() == "succeeded", changed
        assert status() == "cached"


def test_versions_count(monkeypatch):
    before = code.identity(["from idxpipe.components.train import stage"])
    assert before["python"].startswith("3.")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0")
    assert code.identity(["from idxpipe.components.train import stage"]) != before


def test_code_of_a_module_and_of_no_package():
    assert set(code.identity(["import idxpipe.components.core"])["packages"]) == {"core"}
    assert code.identity(["sh", "-c", ":"])["packages"] == {}
