"""The library that `import idxpipe` is, as a notebook uses it: docs/python.md, block by block."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import idxpipe
from idxpipe.components.core.errors import DataError, GateError, UsageError
from tests.idxfiles import make_arrays, write_data_set

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text()
BLOCKS = [
    re.sub(r"^ {4}", "", block, flags=re.MULTILINE)
    for block in re.findall(r"(?:^(?: {4}.*)?\n)+", PAGE, re.MULTILINE)
    if block.strip()
]


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """The names that a notebook has after all blocks, and what each block printed."""
    folder = tmp_path_factory.mktemp("notebook")
    arrays = make_arrays(train=400, test=100)
    write_data_set(folder / "data" / "mnist", arrays)
    (folder / "pipeline.yaml").write_bytes((ROOT / "pipeline.yaml").read_bytes())
    # A kernel runs each cell in its loop; a traceback ends the process with code 1.
    program = "import asyncio, sys\nasync def cells():\n    names = {}\n"
    program += "".join(f"    exec({block!r}, names); print('-' * 9)\n" for block in BLOCKS)
    program += "asyncio.run(cells())\n"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder, arrays, done.stdout.split("-" * 9), done.stderr


def test_every_block_of_the_page_runs(notebook):
    _, _, printed, said = notebook
    stages, evaluated, loaded, runs, error = (text.strip() for text in printed[:5])
    assert stages.splitlines()[0] == "10 (28, 28)"
    assert stages.splitlines()[1].startswith("400 ")
    assert stages.splitlines()[2].startswith("100 ")
    assert 0 <= float(evaluated.split()[0]) <= 1
    assert loaded.startswith("(100, 28, 28) uint8")
    assert "convert-train succeeded" in runs
    assert runs.endswith("cached")
    assert error.startswith("recpie: no such parameter\n")
    assert error.endswith("did you mean recipe?")
    assert "train                done in" in said


def test_a_dataset_is_the_files_again(notebook):
    folder, arrays, *_ = notebook
    images, labels, manifest = idxpipe.load_dataset(str(folder / "work/records/test"))
    assert np.array_equal(images, arrays["test_images"])
    assert np.array_equal(labels, arrays["test_labels"])
    assert labels.dtype == np.int64
    assert manifest.num_examples == 100


def test_an_array_is_classified_as_the_file_is(notebook):
    folder, arrays, *_ = notebook
    model = str(folder / "work/training")
    (file,) = (folder / "data" / "mnist").glob("t10k-images*")
    from_file = idxpipe.predict(model, str(file), batch_size=64)
    from_array = idxpipe.predict(model, arrays["test_images"], batch_size=64)
    assert [p.classes for p in from_array] == [p.classes for p in from_file]
    assert [p.probabilities for p in from_array] == [p.probabilities for p in from_file]
    assert [p.index for p in from_array] == list(range(100))
    assert idxpipe.predict(model, arrays["test_images"][:0]) == []
    for wrong in (arrays["test_images"].astype(np.float32), arrays["test_images"][:, :20]):
        with pytest.raises(DataError, match="images are not what the model takes") as caught:
            idxpipe.predict(model, wrong)
        assert "[B, 28, 28] of uint8" in str(caught.value)


def test_a_gate_that_does_not_pass_is_an_error_with_its_report(notebook, tmp_path):
    records = notebook[0] / "work" / "records"
    trained = idxpipe.train(
        str(records / "train"), str(tmp_path), train_steps=1, batch_size=8, recipe="fast"
    )
    assert trained.step == 1
    with pytest.raises(GateError):
        idxpipe.evaluate(str(records / "test"), str(tmp_path), str(tmp_path), min_accuracy=1.0)
    assert (tmp_path / "report.html").exists()


def test_a_run_refuses_before_anything_starts(tmp_path):
    with pytest.raises(UsageError, match="no such parameter"):
        idxpipe.run("data/mnist", root=str(tmp_path / "root"), batchsize=3)
    with pytest.raises(UsageError, match="too small"):
        idxpipe.run("data/mnist", root=str(tmp_path / "root"), batch_size=0)
    with pytest.raises(UsageError, match="no run is recorded here"):
        idxpipe.run(root=str(tmp_path / "root"), only="train")
    assert not (tmp_path / "root").exists()


def test_the_package_names_what_it_offers_and_loads_nothing_for_it():
    code = "import sys, idxpipe; dir(idxpipe); print(*(m for m in sys.modules if 'idxpipe.' in m))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""
    for name in idxpipe.__all__:
        assert getattr(idxpipe, name) is not None
        assert f"`{name}(" in PAGE or name in {"IdxpipeError", "__version__"}
    assert set(idxpipe.__all__) <= set(dir(idxpipe))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = idxpipe.trian
