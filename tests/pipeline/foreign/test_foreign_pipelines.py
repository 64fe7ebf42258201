"""Other authors' pipelines by `idxpipe run` and by KFP's own local runner: the same outputs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from idxpipe.pipeline.cli import main as cli
from tests.packages import install

PROGRAM = Path(__file__).with_name("pipelines.py")
# What `dsl.ContainerSpec` makes runs in Docker only, with kfp.local; and it does not know an
# optional parameter that is not given.
CONTAINERS = ("booleans", "containers", "outputs-of-any-name", "optional-parameter")
REFUSED = {
    "condition": "a condition (dsl.If)",
    "loop": "a loop (dsl.ParallelFor)",
    "exit-handler": "an exit handler (dsl.ExitHandler)",
    "nested": "a pipeline inside the pipeline",
    "ignored-failure": "an exit handler",
    "no-command": "a container that relies on its image's entry point",
}
BOTH = (
    "a-parameter-called-data",
    "another-path",
    "artifacts-by-path",
    "default-values",
    "environment",
    "imported",
    "in-order",
    "input-and-output-paths",
    "limits-are-for-clusters",
    "names-of-the-run",
    "no-artifact",
    "pythonic-artifacts",
    "retries",
    "several-uris",
    "texts-with-outputs",
    "types",
    "values-inside-structs",
)
LOCAL = """
import sys
from kfp import components, local

folder, *names = sys.argv[1:]
given = {"imported": {"uri": f"{folder}/data.txt"}, "retries": {"flag": f"{folder}/tries"}}
for name in names:
    runner = local.SubprocessRunner(use_venv=False)
    local.init(runner, pipeline_root=f"{folder}/kfp/{name}", raise_on_error=True)
    components.load_component_from_file(f"{folder}/{name}.yaml")(**given.get(name, {}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All compiled, and what KFP's own runner made of those that it can run."""
    folder = tmp_path_factory.mktemp("foreign")
    subprocess.run([sys.executable, PROGRAM, folder], check=True)
    (folder / "data.txt").write_text("one two three")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOCAL, folder, *BOTH],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture
def run(folder, tmp_path, capsys):
    def run(name, *words, check=0, root=tmp_path / "root"):
        given = {"imported": f"uri={folder}/data.txt", "retries": f"flag={tmp_path}/tries"}
        settings = ["--set", given[name]] if name in given else []
        file = str(folder / f"{name}.yaml")
        words = ["--pipeline", file, "--root", str(root), *settings, "--json", *words]
        code = cli.main(["run", *words])
        done = capsys.readouterr()
        assert code == check, done.err
        return done.err if check else json.loads(done.out)["tasks"]

    return run


def test_each_is_run_or_refused(folder):
    names = {path.stem for path in folder.glob("*.yaml")}
    assert names == {*BOTH, *CONTAINERS, *REFUSED, "packages", "numbers-in-texts"}
    assert len(names) >= 25


def shown(values):
    """Values as text; kfp.local has every number as a double, unlike the launcher in Go."""
    return {key: re.sub(r"(\d)\.0\b", r"\1", str(value)) for key, value in values.items()}


def content(uri):
    """The files of an artifact, by name."""
    path = Path(uri)
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


@pytest.mark.parametrize("name", BOTH)
def test_both_runners_agree_in_every_output(name, folder, run):
    ours = {task: found for task, found in run(name).items() if found["kind"] == "container"}
    (place,) = (folder / "kfp" / name).iterdir()
    theirs = {path.parent.name: path for path in place.glob("*/executor_output.json")}
    assert theirs.keys() <= ours.keys()
    assert theirs.keys() >= {n for n, found in ours.items() if any(found["outputs"].values())}
    for task, path in theirs.items():
        reported = json.loads(path.read_text())
        outputs = ours[task]["outputs"]
        values = reported.get("parameterValues", {})
        for key in outputs["parameters"].keys() - values.keys():
            # One that was written to its own file: kfp.local reads it, too.
            values[key] = (path.parent / key).read_text()
        assert shown(outputs["parameters"]) == shown(values)
        for key, listed in reported.get("artifacts", {}).items():
            (artifact,) = listed["artifacts"]
            made = outputs["artifacts"][key]
            assert made["metadata"] == artifact["metadata"]
            assert content(made["uri"]) == content(artifact["uri"]), f"{task}.{key}"


def test_numbers_in_texts_are_printed_as_the_launcher_does(run):
    """strconv.FormatFloat(number, 'f', -1, 64) in getPlaceholders of launcher_v2.go."""
    values = run("numbers-in-texts")["echo"]["outputs"]["parameters"]
    assert values == {"Output": "3|2|0.0000001|1000000000000000000000"}


def test_artifacts_that_a_step_names_itself_outlive_it(run):
    tasks = run("several-uris")
    left = tasks["two-pythonic"]["outputs"]["artifacts"]["left"]["uri"]
    assert left.startswith(tasks["two-pythonic"]["folder"])
    assert Path(left).read_text() == "lll"
    assert run("several-uris")["two-pythonic"]["status"] == "cached"


@pytest.mark.parametrize("name", REFUSED)
def test_what_only_a_cluster_runs_is_refused_by_name(name, run, tmp_path):
    error = run(name, check=2)
    assert error.startswith("error: ")
    assert REFUSED[name] in error
    assert not (tmp_path / "root").exists(), "something was started"


def test_containers_get_what_the_launcher_would_give(run):
    tasks = run("containers")
    assert tasks["shell"]["outputs"]["parameters"] == {"out": "<hello>", "count": 7}
    assert Path(tasks["shell"]["outputs"]["artifacts"]["data"]["uri"]).read_text() == (
        "--extra|more|"
    )
    assert tasks["shell-2"]["outputs"]["parameters"]["out"] == "<<hello>>"
    assert tasks["square"]["outputs"]["parameters"] == {"Output": 49}


def test_an_output_may_have_the_name_of_a_file_of_ours(run):
    values = run("outputs-of-any-name")["own-files"]["outputs"]["parameters"]
    assert values == {"tmp": "hi", "log": "hi", "site": "hi"}


def test_booleans_are_read_as_go_reads_them(run):
    tasks = run("booleans")
    values = {"one": True, "letter": False, "word": True}
    assert tasks["a-bool"]["outputs"]["parameters"] == values
    assert tasks["negate"]["outputs"]["parameters"] == {"Output": False}


def test_an_optional_parameter_may_be_left_out(run):
    values = run("optional-parameter")["defaults"]["outputs"]["parameters"]
    assert values == {"Output": "4 m None 1.0"}


def test_a_task_is_tried_again_as_its_policy_says(run, tmp_path):
    task = run("retries")["flaky"]
    assert task["attempts"] == 3
    assert (tmp_path / "tries").read_text() == "3"
    (tmp_path / "tries").write_text("-9")
    error = run("retries", check=1)
    assert "ended with exit code 9" in error
    # The first and three more.
    assert (tmp_path / "tries").read_text() == "-5"


@pytest.fixture
def with_index(tmp_path_factory):
    """Skip where there is no package index."""
    install(tmp_path_factory.mktemp("six"), "six==1.17.0")


def test_packages_go_into_an_environment_of_their_own(run, with_index, tmp_path):
    import kfp

    # Of the lock, beside ours.
    before = {path.name for path in Path(kfp.__file__).parents[1].iterdir()}
    tasks = run("packages")
    values = [tasks[n]["outputs"]["parameters"]["Output"] for n in tasks]
    assert values == [f"six 1.17.0 {kfp.__version__}", f"six again 1.17.0 {kfp.__version__}"]
    assert {path.name for path in Path(kfp.__file__).parents[1].iterdir()} == before
    # Two tasks with one set of packages share it.
    assert len(list((tmp_path / "root" / "venvs").glob("*.done"))) == 1


def test_packages_that_cannot_be_had_are_an_error_of_ours(run, folder, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    error = run("packages", check=5)
    assert "component has no environment to run in" in error
    assert "its packages cannot be installed" in error
    assert not list((tmp_path / "root" / "venvs").glob("*.done"))


def test_paths_work_on_a_remote_root(run, one_gcs):
    """What a step writes to `.path` is at its URI, and is there for the next one."""
    from idxpipe.components.core import storage

    tasks = run("artifacts-by-path", root=one_gcs)
    made = tasks["write-all"]["outputs"]["artifacts"]
    assert storage.read(made["data"]["uri"]) == b"0\n1\n2\n3\n4"
    assert storage.read(made["model"]["uri"] + "/weights/w.bin") == b"\x00\x01"
    read = tasks["read-all"]["outputs"]["parameters"]["Output"]
    assert read == "5 5 ['w.bin'] none"
    assert run("artifacts-by-path", root=one_gcs)["write-all"]["status"] == "cached"


@pytest.mark.parametrize(
    ("name", "task", "value"),
    [
        ("pythonic-artifacts", "length", 6),
        ("several-uris", "length", 3),
        ("another-path", "cat", "a,b"),
        ("input-and-output-paths", "from-path", "abc text 7"),
    ],
)
def test_every_way_of_naming_a_path_works_on_a_remote_root(name, task, value, run, one_gcs):
    tasks = run(name, root=one_gcs)
    assert tasks[task]["outputs"]["parameters"] == {"Output": value}
    uris = [a["uri"] for t in tasks.values() for a in t["outputs"]["artifacts"].values()]
    assert uris
    assert [uri for uri in uris if not uri.startswith(one_gcs)] == []


def test_a_container_finds_its_paths_on_a_remote_root(run, one_gcs):
    from idxpipe.components.core import storage

    data = run("containers", root=one_gcs)["shell"]["outputs"]["artifacts"]["data"]
    assert storage.read(data["uri"]) == b"--extra|more|"
