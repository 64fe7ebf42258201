import json
import shlex

import pytest

from idxpipe.components.core import storage
from idxpipe.pipeline.cli.main import main
from tests.pipeline import toy


def test_run_refuses_before_anything_starts(tmp_path, capsys):
    root = tmp_path / "root"
    for words, problem in [
        (["--set", "batchsize=3"], "batch_size"),
        (["--set", "batch_size=many"], "batch_size"),
        (["--set", "batch_size=0"], "too small"),
        (["--pipeline", str(tmp_path / "none.yaml")], "no compiled pipeline here"),
        (["--from", "train"], "no run is recorded here"),
        (["--data", "https://user:hunter2@host/x"], "password or signature"),
        (["--set", "train_images=https://host/x?sig=hunter2"], "password or signature"),
        (["--set", "baseline=https://host/x?sig=hunter2"], "password or signature"),
        (["--jobs", "-1"], "--jobs"),
        (["--run", "20261123"], "--run: a rerun names a stage, too"),
        (["--from", "train", "--pipeline", str(tmp_path / "none.yaml")], "no compiled pipeline"),
    ]:
        assert main(["run", "--root", str(root), *words]) == 2
        err = capsys.readouterr().err
        assert problem in err
        assert "Traceback" not in err
        assert "hunter2" not in err
    assert not root.exists()


def test_a_rerun_takes_the_pipeline_that_is_named(tmp_path, capsys):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    given, changed = tmp_path / "given.yaml", tmp_path / "changed.yaml"
    given.write_bytes(toy.text(toy.toy()))
    changed.write_bytes(given.read_bytes().replace(b"tr a-z A-Z", b"rev"))
    root = ["--root", str(tmp_path / "root")]
    assert main(["run", *root, "--data", str(tmp_path), "--pipeline", str(given)]) == 0
    compare = f"idxpipe diff latest~1 latest {shlex.join(root)}\n"
    assert compare not in capsys.readouterr().out
    assert main(["run", *root, "--from", "train"]) == 0
    assert compare in capsys.readouterr().out
    assert main(["run", *root, "--from", "train", "--pipeline", str(changed), "--json"]) == 0
    out = capsys.readouterr().out
    record = json.loads(out)
    assert b"rev" in storage.read(
        storage.join(record["root"], "runs", record["run_id"], "whole.yaml")
    )


@pytest.mark.parametrize("quiet", [True, False])
def test_quiet_says_nothing_but_errors(run, root, data, tmp_path, capsys, quiet, monkeypatch):
    path = tmp_path / "toy.yaml"
    path.write_bytes(toy.text(toy.toy()))
    words = ["run", "--root", str(root), "--pipeline", str(path), "--set", f"data={data}"]
    words += ["--set", "steps=3", *(["--quiet"] if quiet else [])]
    assert main(words) == 0
    assert (capsys.readouterr().err == "") is quiet
    monkeypatch.setenv("BREAK", "a")
    (data / "a").write_text("other")
    assert main(words) == 3
    assert "error: copy-train" in capsys.readouterr().err
