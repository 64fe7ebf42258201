"""Pipelines of other authors: nothing of ours is assumed of their parameters and names."""

import json
import os
import signal
import time

import pytest

from idxpipe.components.core.errors import DataError
from idxpipe.pipeline.cli import main as cli
from idxpipe.pipeline.local import runner
from idxpipe.pipeline.spec.graph import Retry
from idxpipe.pipeline.spec.parse import parse
from tests.pipeline import toy


@pytest.fixture
def run(tmp_path, capsys):
    def run(tasks, inputs, *words, check=0):
        file = tmp_path / "foreign.yaml"
        file.write_bytes(toy.text(toy.document(tasks, inputs)))
        root = str(tmp_path / "root")
        code = cli.main(["run", "--pipeline", str(file), "--root", root, "--json", *words])
        done = capsys.readouterr()
        assert code == check, done.err
        return json.loads(done.out) if not check else done.err

    return run


def test_a_pipeline_without_our_parameters_runs(run):
    tasks = {"one": toy.task("true")}
    assert run(tasks, None)["status"] == "succeeded"


def test_a_parameter_called_data_keeps_its_own_default(run):
    tasks = {"one": toy.task("true", parameters={"data": ("STRING", toy.parameter("data"))})}
    record = run(tasks, {"data": ("STRING", "not/a/file")})
    assert record["parameters"] == {"data": "not/a/file"}


def test_parameters_named_like_ours_have_no_bounds_of_ours(run):
    inputs = {"batch_size": ("NUMBER_INTEGER", -1), "recipe": ("STRING", "apple pie")}
    assert run({"one": toy.task("true")}, inputs)["parameters"] == {
        "batch_size": -1,
        "recipe": "apple pie",
    }


def test_placeholders_inside_lists_and_structs_are_filled_in(run):
    value = [{"job": "{{$.pipeline_task_name}}", "many": ["{{$.inputs.parameters['n']}}", 3]}]
    parameters = {
        "n": ("NUMBER_INTEGER", toy.parameter("n")),
        "value": ("LIST", toy.constant(value)),
    }
    record = run({"one": toy.task("true", parameters=parameters)}, {"n": ("NUMBER_INTEGER", 7)})
    found = record["tasks"]["one"]["inputs"]["parameters"]["value"]
    assert found == [{"job": "one", "many": ["7", 3]}]


def test_the_time_of_a_schedule_is_that_of_the_run(run):
    parameters = {"at": ("STRING", toy.constant("{{$.pipeline_job_schedule_time_utc}}"))}
    record = run({"one": toy.task("true", parameters=parameters)}, None)
    assert record["tasks"]["one"]["inputs"]["parameters"]["at"].startswith("20")


@pytest.mark.parametrize("name", ["tmp", "log", "site", "mounts"])
def test_an_output_may_have_any_name(run, name):
    tasks = {"one": toy.task('printf well > "$0"', name, values={name: "STRING"})}
    placeholder = "{{$.outputs.parameters['" + name + "'].output_file}}"
    tasks["one"]["arguments"] = [placeholder]
    record = run(tasks, None)
    assert record["tasks"]["one"]["outputs"]["parameters"] == {name: "well"}


OURS = "# idxpipe.components.core.errors\n"


@pytest.mark.parametrize(
    ("script", "tries"),
    [("exit 6", 3), ("exit 3", 3), (OURS + "exit 6", 3), (OURS + "exit 3", 1), ("kill -9 $$", 3)],
)
def test_a_stage_of_ours_is_tried_again_only_if_it_says_so(script, tries, tmp_path):
    """Its exit codes tell; another author's may mean anything."""
    count = f'printf x >> "{tmp_path}/tries"\n'
    document = toy.document({"one": toy.task(count + script)})
    policy = {"maxRetryCount": 2, "backoffDuration": "0.01s", "backoffFactor": 2}
    document["root"]["dag"]["tasks"]["one"]["retryPolicy"] = policy
    file = tmp_path / "retry.yaml"
    file.write_bytes(toy.text(document))
    assert cli.main(["run", "--pipeline", str(file), "--root", str(tmp_path / "root")]) != 0
    assert (tmp_path / "tries").read_text() == "x" * tries


def test_the_pauses_grow_to_their_limit():
    retry = Retry(count=5, pause=30, factor=2, longest=100)
    assert [retry.pause_before(n) for n in (1, 2, 3, 4)] == [30, 60, 100, 100]


def test_a_stage_that_waits_to_try_again_can_be_stopped(tmp_path):
    document = toy.document({"one": toy.task("exit 1")})
    document["root"]["dag"]["tasks"]["one"]["retryPolicy"] = {
        "maxRetryCount": 1,
        "backoffDuration": "600s",
    }
    seen = []
    began = time.monotonic()

    def progress(task, note):
        seen.append(note)
        if "tries again in 10 min" in note:
            os.kill(os.getpid(), signal.SIGINT)

    record = runner.run(parse(toy.text(document)), {}, str(tmp_path), progress=progress)
    assert record.tasks["one"].status == "failed"
    assert any("attempt 2" in note for note in seen)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    "policy", [{"maxRetryCount": "two"}, {"maxRetryCount": 1, "backoffDuration": "soon"}]
)
def test_a_damaged_policy_is_named(policy):
    document = toy.document({"one": toy.task("true")})
    document["root"]["dag"]["tasks"]["one"]["retryPolicy"] = policy
    with pytest.raises(DataError, match="retryPolicy"):
        parse(toy.text(document))
