"""What a stage's key is made of."""

from idxpipe.pipeline.local import identity
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.spec.graph import Container
from idxpipe.pipeline.spec.parse import load


def key_of(pipeline, name, **changes):
    task = pipeline.tasks[name]
    made = Artifact("data", "/nowhere", {"schemaTitle": "system.Dataset"}, {"n": 3})
    values = Values({"steps": 3}, {"dataset": made})
    values = changes.get("values", values)
    return identity.key_of(identity.parts_of(task, task.executor, values))


def test_key_is_stable_and_depends_on_content(pipeline, tmp_path):
    base = key_of(pipeline, "train")
    (tmp_path / "file").write_text("abc")
    assert base == key_of(pipeline, "train")
    assert len(base) == 20
    kind = {"schemaTitle": "system.Dataset"}
    same = Artifact("other name", "/nowhere", kind, {"n": 3.0})
    assert base == key_of(pipeline, "train", values=Values({"steps": 3.0}, {"dataset": same}))
    for changed in (
        Artifact("data", str(tmp_path), kind, {"n": 3}),
        Artifact("data", "/nowhere", kind, {"n": 4}),
        Artifact("data", "/nowhere", {"schemaTitle": "system.Model"}, {"n": 3}),
    ):
        assert base != key_of(pipeline, "train", values=Values({"steps": 3}, {"dataset": changed}))


def test_what_makes_the_shards_is_not_part_of_the_key():
    task = load("pipeline.yaml").tasks["convert-train"]
    inputs = {"images": "a", "runner": "DirectRunner", "beam_options": "", "num_shards": 2}

    def key(container=task.executor, **changes):
        values = Values({**inputs, **changes}, {})
        return identity.key_of(identity.parts_of(task, container, values))

    assert key(runner="DaskRunner", beam_options="--direct_num_workers=2") == key()
    assert key(num_shards=3) != key()
    # A component of somebody else may mean something else by it.
    theirs = Container("image", ("sh", "-c", "true"), (), {})
    assert key(theirs, runner="DaskRunner") != key(theirs)


def test_the_code_of_a_user_s_network_counts(pipeline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path)])

    def key():
        return key_of(pipeline, "train", values=Values({"architecture": "mine:net"}, {}))

    absent = key()
    (tmp_path / "mine.py").write_text("def net(): ...")
    first = key()
    assert key() == first != absent
    (tmp_path / "mine.py").write_text("def net(): return 1")
    assert key() != first


def test_trust_3_what_a_user_s_network_imports_counts_too(pipeline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    (tmp_path / "other.py").write_text("")
    (tmp_path / "nets").mkdir()
    files = {
        "nets/__init__.py": "",
        "nets/mine.py": "from nets import layers\nfrom .deep import net",
        "nets/layers.py": "import helper",
        "nets/deep.py": "",
        "helper.py": "import nets.mine, json",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    def key():
        return key_of(pipeline, "train", values=Values({"architecture": "nets.mine:net"}, {}))

    before = key()
    (tmp_path / "other.py").write_text("x = 1")
    assert key() == before
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\nx = '{name}'")
        assert key() != before, name
        before = key()


def test_a_baseline_may_be_a_folder(tmp_path):
    task = load("pipeline.yaml").tasks["gate"]

    def key(uri):
        return identity.key_of(identity.parts_of(task, task.executor, Values({"baseline": uri})))

    (tmp_path / "metrics.json").write_text("{}")
    first = key(str(tmp_path))
    assert first == key(str(tmp_path / "metrics.json")) != key("")
    (tmp_path / "metrics.json").write_text("[]")
    assert key(str(tmp_path)) != first
