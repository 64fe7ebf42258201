"""Against KFP itself: real lightweight components, and what kfp.local would tell them."""

import json
from typing import NamedTuple

import pytest
from google.protobuf import json_format
from kfp import compiler, dsl
from kfp.local import executor_input_utils
from kfp.pipeline_spec import pipeline_spec_pb2

from idxpipe.pipeline import failure
from idxpipe.pipeline.cli import summary
from idxpipe.pipeline.local import executor_input, runner
from idxpipe.pipeline.spec.artifact import Artifact
from idxpipe.pipeline.spec.parse import load
from tests.pipeline.conftest import statuses

component = dsl.component(base_image="idxpipe:test-python3.11", install_kfp_package=False)


@component
def look(
    data: str,
    n: int,
    rate: float,
    fast: bool,
    sizes: list,
    extra: dict,
    report: dsl.Output[dsl.HTML],
) -> NamedTuple("Seen", [("fingerprint", str), ("count", int)]):
    report.uri += ".html"
    with open(report.uri, "w") as stream:
        stream.write("<p>seen</p>")
    return (f"{data}:{sizes}:{extra}:{fast}", n + 1)


@component
def copy(fingerprint: str, count: int, dataset: dsl.Output[dsl.Dataset], note: str = "none"):
    import os

    os.makedirs(dataset.uri)
    with open(os.path.join(dataset.uri, "part"), "w") as stream:
        stream.write(f"{fingerprint} {count} {note}")
    dataset.metadata.update(count=count, split="train")


@component
def judge(
    dataset: dsl.Input[dsl.Dataset],
    least: float,
    metrics: dsl.Output[dsl.Metrics],
    page: dsl.Output[dsl.HTML],
) -> float:
    from idxpipe.components.core.errors import GateError, exit_on_error

    page.uri += ".html"
    with open(page.uri, "w") as stream:
        stream.write("<p>judged</p>")

    metrics.log_metric("accuracy", 0.5)
    with exit_on_error():
        if least > 0.5:
            raise GateError("not good enough", where=dataset.uri, expected=least, found=0.5)
    return 0.5


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    @dsl.pipeline(name="real")
    def real(
        data: str,
        n: int = 3,
        rate: float = 1.0,
        fast: bool = True,
        sizes: list = [1, 2.5],  # noqa: B006
        extra: dict = {"a": 1},  # noqa: B006
        least: float = 0.1,
    ):
        seen = look(data=data, n=n, rate=rate, fast=fast, sizes=sizes, extra=extra)
        seen.set_caching_options(False)
        copied = copy(fingerprint=f"of-{seen.outputs['fingerprint']}", count=seen.outputs["count"])
        judge(dataset=copied.outputs["dataset"], least=least)

    file = tmp_path_factory.mktemp("compiled") / "real.yaml"
    compiler.Compiler().compile(real, str(file))
    return load(str(file))


@pytest.fixture(scope="module")
def ran(compiled, tmp_path_factory):
    return runner.run(compiled, {"data": "here"}, str(tmp_path_factory.mktemp("root")))


def test_components_run(ran):
    assert failure.error_of(ran) is None
    assert ran.tasks["look"].outputs.parameters == {
        "fingerprint": "here:[1, 2.5]:{'a': 1}:True",
        "count": 4,
    }
    report = ran.tasks["look"].outputs.artifacts["report"]
    assert report.uri.endswith("/report.html")
    dataset = ran.tasks["copy"].outputs.artifacts["dataset"]
    assert dataset.metadata == {"count": 4, "split": "train"}
    with open(dataset.uri + "/part") as stream:
        assert stream.read() == "of-here:[1, 2.5]:{'a': 1}:True 4 none"
    judge = ran.tasks["judge"].outputs
    assert judge.parameters == {"Output": 0.5}
    assert judge.artifacts["metrics"].metadata == {"accuracy": 0.5}


def test_gate_fails_with_its_own_words_and_the_rest_is_cached(compiled, ran):
    record = runner.run(compiled, {"data": "here", "least": 0.9}, ran.root)
    assert statuses(record) == {"look": "succeeded", "copy": "cached", "judge": "failed"}
    error = failure.error_of(record)
    assert error.exit_code == 4
    dataset = ran.tasks["copy"].outputs.artifacts["dataset"].uri
    assert str(error).startswith(
        f"judge: {dataset}: not good enough\n  expected: 0.9\n  found:    0.5\n  log: "
    )
    assert summary.reports(record)["judge"] == record.tasks["judge"].folder + "/page.html"
    assert set(record.tasks["judge"].outputs.artifacts) == {"page"}
    with open(record.tasks["judge"].log) as stream:
        assert "Got executor_input" in stream.read()


@pytest.mark.parametrize("name", ["look", "copy", "judge"])
def test_executor_input_is_what_kfp_builds(compiled, ran, name):
    task = compiled.tasks[name]
    record = ran.tasks[name]
    ours = executor_input.build(task, record.inputs, record.folder, record.folder)

    message = json_format.ParseDict(compiled.document, pipeline_spec_pb2.PipelineSpec())
    definition = message.components[f"comp-{name}"]
    artifacts = {n: as_dsl(a) for n, a in record.inputs.artifacts.items()}
    theirs = executor_input_utils.construct_executor_input(
        component_spec=definition,
        arguments={**record.inputs.parameters, **artifacts},
        task_root=record.folder,
        block_input_artifact=False,
    )
    expected = executor_input_utils.executor_input_to_dict(theirs, definition)
    assert ours == expected
    # The real launcher is written in Go, which prints 1.0 in a list as 1.
    assert json.loads(json.dumps(ours)) == ours


def as_dsl(artifact: Artifact) -> dsl.Artifact:
    kinds = {"system.Dataset": dsl.Dataset}
    return kinds[artifact.title](artifact.name, artifact.uri, dict(artifact.metadata))
