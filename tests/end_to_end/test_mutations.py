"""Every file below a root after real runs, damaged one at a time: noticed, or shown to be harmless.

`make chaos` makes 150 mutations; `make test` a few. IDXPIPE_CHAOS_SEED repeats an earlier round.
"""

import os
import random
import secrets
import shutil
from collections import Counter
from pathlib import Path

import pytest

from idxpipe.components.core.dataset.examples import read_examples
from idxpipe.components.core.dataset.manifest import MANIFEST, read_dataset
from idxpipe.components.core.errors import DataError, IdxpipeError
from idxpipe.components.train.state.points import read_points
from idxpipe.components.validate.drift import read_baseline
from idxpipe.pipeline import state
from idxpipe.pipeline.cli.main import main
from idxpipe.pipeline.local import cache, reasons
from idxpipe.pipeline.runs import listing
from idxpipe.pipeline.runs.page import index_page
from idxpipe.pipeline.trust import trusted_pipeline
from tests.end_to_end.chaos import artifacts, said, start, without_places, words
from tests.idxfiles import make_arrays, write_data_set
from tests.tally import tally

MUTATIONS = 150 if os.environ.get("IDXPIPE_CHAOS") else 12
SEED = int(os.environ.get("IDXPIPE_CHAOS_SEED") or secrets.randbits(32))
SHORT = {"train_steps": 40, "num_shards": 2}
# Written for people: no command reads one to decide anything, and each is written anew by a run.
PAGES = ("*.log", "index.html", "runs/*/index.html", "artifacts/train/*/logs/events.out.*")
# Every run reads them as it uses them, and not before.
SHARD = "*.tfrecord-*"
CHECKPOINT = "artifacts/train/*/checkpoints/*"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a data set, and two runs of it in `root`, the second of only a part."""
    folder = tmp_path_factory.mktemp("mutations")
    write_data_set(folder / "data", make_arrays(train=120, test=40))
    shutil.copy("pipeline.yaml", folder)
    print(f"\nIDXPIPE_CHAOS_SEED={SEED}")
    for command in (["run", *words(**SHORT)], ["run", "--only", "gate"]):
        assert start(folder, "root", *command).wait() == 0, said(folder, "root")
    return folder


def mutate(rng, data):
    """Return a damaged copy of some bytes, and in what way."""
    while True:
        kind = rng.choice(("flip", "cut", "zero", "swap"))
        copy = bytearray(data)
        size = rng.randint(1, min(64, len(data)))
        one, other = (rng.randrange(len(data) - size + 1) for _ in range(2))
        if kind == "flip":
            copy[one] ^= 1 << rng.randrange(8)
        elif kind == "cut":
            del copy[one:]
        elif kind == "zero":
            copy[one : one + size] = bytes(size)
        elif abs(one - other) >= size:
            first, second = data[one : one + size], data[other : other + size]
            copy[one : one + size], copy[other : other + size] = second, first
        if copy != data:
            return kind, bytes(copy)


def folders(root):
    """Return the folders of all finished tasks."""
    return [str(path.parent) for path in root.glob("artifacts/*/*/task.json")]


def noticed(root, *, verify):
    """Return who notices that something below a root is not what it was."""
    found = set()
    for folder in folders(root):
        look = cache.look(folder, verify=verify)
        if look.entry is None:
            assert look.damaged or look.gone
            found.add("cache")
    for run_id in state.run_ids(str(root)):
        row = listing.read_row(str(root), run_id)
        if row.record is None:
            assert "damaged" in row.problem
            found.add("runs")
            continue
        try:
            trusted_pipeline(row.record)
        except DataError:
            found.add("rerun")
        for task in row.record.tasks:
            uri = reasons.parts_uri(str(root), run_id, task)
            if os.path.exists(uri):
                try:
                    reasons.read(uri)
                except (ValueError, TypeError):
                    found.add("why")
    return found


def read(path):
    """Read a file as what uses it does; raise if that notices."""
    if path.match(SHARD):
        dataset = read_dataset(str(path.parent))
        uris = [str(path.parent / shard.name) for shard in dataset.shards]
        for _ in read_examples(uris, dataset):
            pass
    elif path.name == MANIFEST:
        read_dataset(str(path.parent))
    elif path.name == "report.json":
        read_baseline(str(path), 2)
    elif path.name == "history.json":
        assert read_points(str(path.parent)) == []
        raise DataError("no points")


def check(root, path, rows):
    """Return how the damage of a file is noticed, or why it is harmless."""
    name = path.relative_to(root)
    plain, verified = noticed(root, verify=False), noticed(root, verify=True)
    if path.name == "rows.json":
        assert index_page(str(root)) == rows
        return "harmless: made again"
    if any(name.match(pattern) for pattern in PAGES):
        assert not verified
        return "harmless: for people"
    if path.name == "pipeline.yaml" and path.with_name("whole.yaml").exists():
        # A rerun is cut from the whole one, whose digest is in the record.
        assert not verified
        return "harmless: a rerun reads whole.yaml"
    assert verified
    if name.match(SHARD) or name.match(CHECKPOINT) or path.name == "history.json":
        if not name.match(CHECKPOINT):
            with pytest.raises(DataError):
                read(path)
    else:
        assert plain, f"only --verify notices {name}"
    if path.name in {MANIFEST, "report.json"}:
        with pytest.raises(IdxpipeError):
            read(path)
    return f"noticed: {', '.join(sorted(verified))}"


def commands(folder, capsys):
    """Look at the runs as a user does; whatever is damaged, there is no traceback."""
    root = ["--root", str(folder / "root")]
    for line in (["runs"], ["show"], ["diff", "latest~1", "latest"], ["run", "--plan", "--verify"]):
        more = ["--data", str(folder / "data"), *words(**SHORT)[2:]] if line[0] == "run" else []
        code = main([*line, *root, *more])
        printed = capsys.readouterr()
        assert code in {0, 2, 3}, printed.err
        assert "Traceback" not in printed.err + printed.out
        assert line != ["runs"] or code == 0


def test_trust_4_each_mutation_is_noticed_or_harmless(place, capsys):
    rng = random.Random(SEED)
    root = place / "root"
    files = sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink())
    files = [path for path in files if path.stat().st_size and path.resolve() == path]
    assert len(files) > 50
    rows = index_page(str(root))
    assert noticed(root, verify=True) == set()
    some = rng.sample(files, len(files))
    told, by_kind, row = Counter(), Counter(), tally("a file of a root damaged")
    for number in range(MUTATIONS):
        path = some[number % len(some)]
        before = path.read_bytes()
        kind, damaged = mutate(rng, before)
        row.tries += 1
        path.write_bytes(damaged)
        try:
            how = check(root, path, rows)
            commands(place, capsys)
        except BaseException:
            print(f"IDXPIPE_CHAOS_SEED={SEED}: {kind} of {path}")
            raise
        finally:
            path.write_bytes(before)
        row.survived += 1
        told[how] += 1
        by_kind[kind] += 1
    with capsys.disabled():
        print(f"\n{MUTATIONS} mutations: {dict(by_kind)}")
        print("\n".join(f"{count:5} {how}" for how, count in sorted(told.items())))
    assert noticed(root, verify=True) == set()


DAMAGED = {
    "model": "artifacts/train/*/model/variables/variables.data*",
    "manifest": "artifacts/convert-test/*/dataset/dataset.json",
    "metrics": "artifacts/evaluate/*/metrics.json",
    "record": "artifacts/convert-train/*/task.json",
}


def flip(place, root, pattern):
    (path,) = (place / root).glob(pattern)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def copy_of(place, name):
    """Return a copy of the root: it is moved with its runs."""
    shutil.copytree(place / "root", place / name, symlinks=True)
    return without_places(artifacts(place / "root"))


def test_a_plain_run_makes_what_is_damaged_again_to_the_same_bytes(place):
    right = copy_of(place, "damaged")
    for pattern in DAMAGED.values():
        flip(place, "damaged", pattern)
    child = start(place, "damaged", "run", *words(**SHORT), "--quiet")
    assert child.wait() == 0, said(place, "damaged")
    found = without_places(artifacts(place / "damaged"))
    made = {
        key for key in right if key[0] in {"train", "convert-train", "convert-test", "evaluate"}
    }
    assert [key for key in made if right[key] != found.get(key)] == []
    record = state.find(str(place / "damaged"))
    why = {name: task.reasons for name, task in record.tasks.items()}
    assert why["convert-train"] == ("its record is damaged",)
    assert why["convert-test"] == ("its artifact is damaged: dataset/dataset.json",)
    assert why["train"][0].startswith("its artifact is damaged: model/variables/")
    assert why["evaluate"] == ("its artifact is damaged: metrics",)


@pytest.mark.parametrize("name", ["ckpt-40.data-00000-of-00001", "ckpt-40.index"])
def test_a_damaged_checkpoint_is_passed_over_to_the_same_bytes(place, name):
    root = f"checkpoint-{name.partition('.')[2][:4]}"
    right = copy_of(place, root)
    flip(place, root, f"artifacts/train/*/checkpoints/{name}")
    (model,) = (place / root).glob("artifacts/train/*/model")
    shutil.rmtree(model)
    child = start(place, root, "run", *words(**SHORT), "--quiet")
    assert child.wait() == 0, said(place, root)
    found = without_places(artifacts(place / root))
    model = {key for key in right if key[:2] == ("train", "model")}
    assert len(model) > 5
    assert [key for key in model if right[key] != found.get(key)] == []
    (log,) = Path(place / root / "latest" / "logs").glob("train.log")
    assert "checkpoint of step 40 is skipped" in log.read_text()


def test_a_damaged_shard_is_made_again_by_a_run_that_verifies(place):
    right = copy_of(place, "shard")
    flip(place, "shard", "artifacts/convert-train/*/dataset/idx-train*00001-of-00002")
    assert start(place, "shard", "run", "--only", "train", "--verify").wait() == 3
    assert "artifact to import is damaged" in said(place, "shard")
    child = start(place, "shard", "run", *words(**SHORT), "--quiet", "--verify")
    assert child.wait() == 0, said(place, "shard")
    record = state.find(str(place / "shard"))
    ran = {name for name, task in record.tasks.items() if task.status == "succeeded"}
    assert ran == {"validate", "convert-train"}
    found = without_places(artifacts(place / "shard"))
    made = {key for key in right if key[0] == "convert-train"}
    assert [key for key in made if right[key] != found.get(key)] == []
