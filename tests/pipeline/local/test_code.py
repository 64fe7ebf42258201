"""Which code and which libraries a stage's key depends on."""

import os

import pytest

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
    before = code.versions(["train", "core"])
    assert before["python"].startswith("3.")
    assert set(before) == {"python", "numpy", "tensorflow", "keras"}
    assert set(code.versions(["convert", "core"])) == {"python", "numpy", "apache-beam"}
    assert "tensorflow" in code.versions([])
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0")
    assert code.versions(["train", "core"]) != before


def test_code_of_a_module_and_of_no_package():
    assert code.imported(["import idxpipe.components.core"]) == {"core"}
    assert code.imported(["from idxpipe.components.train import stage"]) == {"core", "train"}
    assert code.imported(["sh", "-c", ":"]) == frozenset()
    assert code.sources([]) == {}
    assert "components/core/idx/header.py" in code.sources(["core"])


def digest_after(path, text):
    """Write a file anew; return its digest. Most systems tell times by ticks of milliseconds."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text)
    os.utime(path, ns=(before + 1_000_000_000, before + 1_000_000_000))
    return code.digest_of(path)


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ('"""Doc."""\nx = 1\n', True),
        ("# A comment.\nx = 1\n", True),
        ("x = (\n    1\n)\n", True),
        ("x = 2\n", False),
        ("y = 1\n", False),
        ("x = {'a', 'b'}\n", False),
    ],
)
@pytest.mark.parametrize("more", ["", "assert x\n", "def f(a=1):\n    'Doc.'\n    return a\n"])
def test_only_what_a_file_does_counts(tmp_path, changed, same, more):
    path = tmp_path / "x.py"
    before = digest_after(path, "x = 1\n" + more)
    after = digest_after(path, changed + more.replace("'Doc.'", "'Other words.'"))
    assert (after == before) is same


def test_an_assertion_and_a_file_that_is_no_python_count(tmp_path):
    digests = set()
    for text in ("x = 1\n", "x = 1\nassert x\n", "x = 1\nassert not x\n", "x = = 1\n", "x = = 2\n"):
        digests.add(digest_after(tmp_path / "x.py", text))
    assert len(digests) == 5


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """Return the folder of what is kept, and a way to begin as another process would."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    code._kept.cache_clear()
    code._digest_of.cache_clear()
    yield tmp_path / "cache" / "idxpipe" / "sources"
    code._kept.cache_clear()
    code._digest_of.cache_clear()


def again():
    code._kept.cache_clear()
    code._digest_of.cache_clear()
    return code.sources(["core"])


def test_what_was_compiled_once_is_kept(own_cache, monkeypatch):
    compiled = []
    meaning = code._meaning
    monkeypatch.setattr(code, "_meaning", lambda text: compiled.append(text) or meaning(text))
    first = code.sources(["core"])
    assert compiled
    compiled.clear()
    assert again() == first
    assert not compiled
    # Another Python compiles to something else.
    monkeypatch.setattr(code.sys, "version", "another")
    assert again() == first
    assert compiled
    assert len(list(own_cache.iterdir())) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', "null"])
def test_damage_to_what_is_kept_does_no_harm(own_cache, content):
    first = code.sources(["core"])
    (kept,) = own_cache.iterdir()
    kept.write_text(content)
    assert again() == first


def test_without_a_place_nothing_is_kept(own_cache, tmp_path, monkeypatch):
    first = code.sources(["core"])
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    assert again() == first
