"""A sweep as jobs on Vertex AI: one converts, the others train on what it made."""

import pytest

from idxpipe.components.core import storage
from tests.fakes.vertex import FakeVertex
from tests.pipeline import toy
from tests.pipeline.runs.commands import as_json, command

PUT = 'mkdir -p "$0" && echo made > "$0/content"'
# As accurate as the learning rate is.
TRAIN = """
mkdir -p "$0" "$1" && echo weights > "$0/model"
points="[{\\"validation_accuracy\\": $2}]"
echo "{\\"schema_version\\": 1, \\"points\\": $points}" > "$1/history.json"
"""


def out(name):
    return f"{{{{$.outputs.artifacts['{name}'].path}}}}"


def convert(split):
    given = {"data": ("STRING", toy.parameter("data"))}
    given["validation_fraction"] = ("NUMBER_DOUBLE", toy.parameter("validation_fraction"))
    return toy.task(PUT, out("dataset"), parameters=given, files={"dataset": "Dataset"})


@pytest.fixture
def compiled(tmp_path):
    path = tmp_path / "swept.yaml"
    tasks = {
        "convert-train": convert("train"),
        "convert-test": convert("test"),
        "train": toy.task(
            TRAIN,
            out("model"),
            out("logs"),
            "{{$.inputs.parameters['learning_rate']}}",
            parameters={
                "learning_rate": ("NUMBER_DOUBLE", toy.parameter("learning_rate")),
                "seed": ("NUMBER_INTEGER", toy.parameter("seed")),
            },
            artifacts={"dataset": ("Dataset", toy.artifact("convert-train", "dataset"))},
            files={"model": "Model", "logs": "Artifact"},
        ),
        "evaluate": toy.task(
            PUT,
            out("report"),
            artifacts={
                "dataset": ("Dataset", toy.artifact("convert-test", "dataset")),
                "model": ("Model", toy.artifact("train", "model")),
            },
            files={"report": "Artifact"},
        ),
    }
    inputs = {
        "data": ("STRING",),
        "learning_rate": ("NUMBER_DOUBLE", 0.5),
        "seed": ("NUMBER_INTEGER", 0.0),
        "validation_fraction": ("NUMBER_DOUBLE", 0.0),
    }
    path.write_bytes(toy.text(toy.document(tasks, inputs)))
    return path


def test_the_training_alone_is_run_again(compiled, one_gcs, capsys):
    storage.write(f"{one_gcs}/data/a", b"data")
    with FakeVertex() as service:
        place = ("--project", service.project, "--region", service.region)
        words = (
            "sweep",
            "--vertex",
            *place,
            "--endpoint",
            service.url,
            "--poll",
            "0.2",
            "--jobs",
            "2",
        )
        words += ("--root", f"{one_gcs}/root", "--data", f"{one_gcs}/data")
        words += ("--pipeline", str(compiled), "--jobs", "2", "--set", "seed=0..1")
        found = as_json(capsys, *words, "--set", "learning_rate=0.2,0.9")
        stages = [set(job["job"]["pipelineSpec"]["root"]["dag"]["tasks"]) for job in jobs(service)]
    assert [trial["error"] for trial in found["trials"]] == [None] * 4
    best, other = found["leaderboard"]
    assert (best["parameters"]["learning_rate"], best["mean"]) == ("0.9", 0.9)
    assert (other["mean"], other["stdev"]) == (0.2, 0.0)
    assert stages[0] == {"convert-train", "train"}
    assert all(ran >= {"train"} and "convert-train" not in ran for ran in stages[1:4])
    assert all("evaluate" not in ran for ran in stages[:4])
    # The chosen one's model comes from its job, and the test split is looked at once.
    assert {"convert-test", "evaluate"} <= stages[4]
    assert not {"convert-train", "train"} & stages[4]
    assert found["best"]["earlier"] in best["runs"]
    assert found["best"]["status"] == "succeeded"


def jobs(service):
    """The jobs, the first before the others."""
    return sorted(service.jobs.values(), key=lambda job: job["job"]["createTime"])


def test_what_converts_differently_is_a_whole_job(compiled, one_gcs, capsys):
    storage.write(f"{one_gcs}/data/a", b"data")
    with FakeVertex() as service:
        place = ("--project", service.project, "--region", service.region)
        words = ("sweep", "--vertex", *place, "--endpoint", service.url, "--poll", "0.2")
        words += ("--root", f"{one_gcs}/root", "--data", f"{one_gcs}/data")
        sets = ("--set", "validation_fraction=0.1,0.2")
        command(capsys, *words, "--pipeline", str(compiled), *sets)
        stages = [set(job["job"]["pipelineSpec"]["root"]["dag"]["tasks"]) for job in jobs(service)]
    assert stages[0] == stages[1] == {"convert-train", "train"}
