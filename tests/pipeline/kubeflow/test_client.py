import pytest
import yaml

from idxpipe.pipeline.cli import main as cli
from tests.fakes.http import Refused
from tests.fakes.kubeflow import FakeKubeflow
from tests.pipeline import toy


@pytest.fixture
def kubeflow():
    with FakeKubeflow() as fake:
        yield fake


@pytest.fixture
def submit(kubeflow, file, capsys):
    def run(*words, check=0):
        command = ["submit", "--kfp-host", kubeflow.url, "--pipeline", str(file)]
        code = cli.main([*command, "--data", "s3://ours/data", *words])
        done = capsys.readouterr()
        assert code == check, done.err
        return done.err if check else done.out

    return run


def test_the_same_file(submit, kubeflow):
    out = submit(
        *("--root", "s3://ours/root/", "--set", "steps=12", "--name", "nightly"),
        *("--experiment", "e-1", "--service-account", "runner"),
    )
    assert f"submitted run-1\n{kubeflow.url}/#/runs/details/run-1" in out
    (request,) = kubeflow.requests
    assert request.body == {
        "display_name": "nightly",
        "pipeline_spec": toy.toy(),
        "runtime_config": {
            "parameters": {"data": "s3://ours/data", "steps": 12},
            "pipeline_root": "s3://ours/root",
        },
        "experiment_id": "e-1",
        "service_account": "runner",
    }


def test_settings_for_the_cluster_go_along(submit, kubeflow, file):
    second = {"platforms": {"kubernetes": {"deploymentSpec": {}}}}
    file.write_bytes(toy.text(toy.toy()) + b"---\n" + yaml.safe_dump(second).encode())
    submit()
    (run,) = kubeflow.runs.values()
    assert run["pipeline_spec"] == {"pipeline_spec": toy.toy(), "platform_spec": second}


def test_the_requests_parse_as_kfp_messages(submit, kubeflow):
    """KFP's own client makes its request of the same parts."""
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    submit("--pipeline", "pipeline.yaml", "--no-cache", "--no-preflight")
    (run,) = kubeflow.runs.values()
    parsed = json_format.ParseDict(run["pipeline_spec"], pipeline_spec_pb2.PipelineSpec())
    options = [task.caching_options for task in parsed.root.dag.tasks.values()]
    assert not any(option.enable_cache for option in options)


def test_wait(submit, kubeflow):
    assert "judge       -" in submit("--wait", "--poll", "0.01")
    kubeflow.states = ("RUNNING", "FAILED")
    error = submit("--wait", "--poll", "0.01", check=1)
    assert "run did not succeed" in error
    assert "#/runs/details/run-2" in error


def test_dry_run(submit, kubeflow):
    assert '"display_name": "toy"' in submit("--dry-run")
    assert kubeflow.requests == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--data", "data/mnist"], "data: path is on this machine"),
        (["--root", "out"], "--root: path is on this machine"),
        (
            ["--pipeline", "pipeline.yaml", "--set", "baseline=out/metrics.json"],
            "baseline: path is on this machine",
        ),
        (["--from", "train"], "a rerun names a stage and a run"),
        (["--network", "projects/1/global/networks/n"], "--network: flag is for Vertex AI only"),
        (["--data", "", "--pipeline", "pipeline.yaml"], "--data: no data is named"),
        (["--data", "minio://mlpipeline/mnist"], "only KFP's launcher can read"),
        (["--pipeline", "pipeline.yaml"], "validate: image is on this machine"),
        (
            ["--pipeline", "tests/pipeline/golden/tpu-v3-8.yaml", "--no-preflight"],
            "found:    a custom job: train",
        ),
        (["--labels", "a=b"], "--labels: flag is for Vertex AI only"),
        (["--set", "stepz=1"], "stepz: no such parameter"),
        (["--kfp-host", "ftp://x"], "not the address of a service"),
    ],
)
def test_refused_before_any_request(submit, kubeflow, words, found):
    assert found in submit(*words, check=2)
    assert kubeflow.requests == []


def test_a_lost_answer_is_not_a_second_run(submit, kubeflow):
    kubeflow.lost = 1
    assert "service cannot be reached" in submit(check=6)
    assert len(kubeflow.runs) == 1


def test_the_token_is_not_sent_over_plain_http(submit, kubeflow, monkeypatch):
    monkeypatch.setenv("KFP_TOKEN", "kfp-secret")
    submit()
    assert "authorization" not in kubeflow.requests[0].headers
    error = submit("--kfp-host", "http://ml-pipeline.kubeflow.client:8888", check=2)
    assert "plain http is for this machine only" in error
    assert "kfp-secret" not in error


def test_a_refused_token(submit, kubeflow):
    kubeflow.refusals.append(Refused(401, "who are you"))
    assert "set $KFP_TOKEN" in submit(check=5)
