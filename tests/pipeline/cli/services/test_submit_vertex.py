import json

import pytest
import yaml

from tests.pipeline import toy


def test_it_runs_and_says_where(submit, service, buckets, file):
    made = submit(
        "--labels", "team=vision", "--service-account", "runner@p.iam.gserviceaccount.com"
    )
    (request,) = service.requests
    assert request.method == "POST"
    assert request.path == "/v1/projects/toy-project/locations/us-central1/pipelineJobs"
    assert request.query == {"pipelineJobId": made["job"]}
    assert request.body == {
        "displayName": "toy",
        "pipelineSpec": toy.read(file.read_text()),
        "runtimeConfig": {
            "gcsOutputDirectory": "gs://ours/root",
            "parameterValues": {"data": "gs://ours/data", "steps": 10},
            "failurePolicy": "PIPELINE_FAILURE_POLICY_FAIL_FAST",
        },
        "labels": {"team": "vision"},
        "serviceAccount": "runner@p.iam.gserviceaccount.com",
    }
    assert made["console"] == (
        "https://console.cloud.google.com/vertex-ai/locations/us-central1/pipelines/runs/"
        f"{made['job']}?project=toy-project"
    )
    assert service.wait(made["job"])["state"] == "PIPELINE_STATE_SUCCEEDED"
    (model,) = (buckets / "ours" / "root").rglob("model/model")
    assert model.read_text() == "FIRST\n"


def test_all_settings(submit):
    body = submit(
        *("--dry-run", "--name", "Nightly Run", "--set", "steps=12", "--no-cache"),
        *("--network", "projects/12/global/networks/default"),
        *("--encryption-key", "projects/p/locations/r/keyRings/k/cryptoKeys/n"),
    )
    assert body["displayName"] == "Nightly Run"
    assert body["network"] == "projects/12/global/networks/default"
    assert body["encryptionSpec"] == {
        "kmsKeyName": "projects/p/locations/r/keyRings/k/cryptoKeys/n"
    }
    assert body["runtimeConfig"]["parameterValues"]["steps"] == 12
    tasks = body["pipelineSpec"]["root"]["dag"]["tasks"].values()
    assert [task["cachingOptions"] for task in tasks] == [{"enableCache": False}] * 5


def test_dry_run_sends_nothing(submit, service):
    text = submit("--dry-run", json_=False)
    assert json.loads(text)["displayName"] == "toy"
    assert service.requests == []


def test_place_from_the_environment(service, file, monkeypatch, capsys):
    from idxpipe.pipeline.cli import main as cli

    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "toy-project")
    monkeypatch.setenv("CLOUD_ML_REGION", "us-central1")
    monkeypatch.setenv("IDXPIPE_VERTEX_ENDPOINT", service.url)
    words = ["submit", "--pipeline", str(file), "--root", "gs://ours/r", "--data", "gs://ours/data"]
    assert cli.main(words) == 0
    assert "--project toy-project --region us-central1" in capsys.readouterr().out


def test_wait_shows_stages_and_the_result(submit, capsys):
    record = submit("--wait", "--poll", "0.05")
    assert record["status"] == "succeeded"
    assert {t["status"] for t in record["tasks"].values()} == {"succeeded"}
    metrics = record["tasks"]["judge"]["outputs"]["artifacts"]["metrics"]
    assert metrics["metadata"] == {"accuracy": 0.5, "n": 3}
    assert record["tasks"]["judge"]["outputs"]["parameters"] == {"score": 0.5}
    text = submit("--wait", "--poll", "0.05", json_=False)
    # The second run takes all but `look` from the first.
    assert text.count("cached") == 4
    assert "test accuracy     0.5" in text


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--set", "stepz=1"], "did you mean steps?"),
        (["--set", "steps=many"], "steps: invalid value"),
        (["--root", "out"], "--root: invalid value"),
        (["--root", "s3://ours/root"], "--root: invalid value"),
        (["--root", "gs://"], "--root: invalid value"),
        (["--root", "gs://ours/a b"], "--root: invalid value"),
        (["--data", "data/mnist"], "data: data is not in a bucket"),
        (["--data", "s3://ours/data"], "data: data is not in a bucket"),
        (
            ["--pipeline", "pipeline.yaml", "--set", "baseline=out/metrics.json"],
            "baseline: data is not in a bucket",
        ),
        (["--labels", "team"], "--labels: invalid value"),
        (["--labels", "Team=vision"], "--labels: invalid value"),
        (["--labels", "team=A"], "--labels: invalid value"),
        (["--service-account", "me"], "--service-account: invalid value"),
        (["--network", "default"], "--network: invalid value"),
        (["--encryption-key", "key"], "--encryption-key: invalid value"),
        (["--project", "P"], "--project: invalid value"),
        (["--project", ""], "--project: not given"),
        (["--region", "europe"], "--region: invalid value"),
        (["--name", "x" * 129], "--name: name is too long"),
        (["--run", "some-job"], "a rerun names a stage and a run"),
        (["--from", "train"], "a rerun names a stage and a run"),
        (["--pipeline", "no-such.yaml"], "no-such.yaml: no compiled pipeline here"),
        (["--endpoint", "http://example.com"], "plain http is for this machine only"),
        (["--endpoint", "ftp://x"], "not the address of a service"),
        (["--wait", "--poll", "0"], "--poll: invalid value"),
    ],
)
def test_refused_before_any_request(submit, service, words, found):
    error = submit(*words, check=2)
    assert found in error
    assert "Traceback" not in error
    assert service.requests == []


def test_missing_parameters(idxpipe, file, service):
    error = idxpipe("submit", "--pipeline", file, "--root", "gs://ours/root", check=2)
    assert "data: required, and not given" in error
    assert service.requests == []


def test_bounds_are_those_of_the_stages(idxpipe, service):
    words = ("--root", "gs://ours/root", "--data", "gs://ours/data", "--set", "dropout=2")
    assert "dropout" in idxpipe("submit", *words, check=2)
    assert "--data: no data is named" in idxpipe("submit", *words[:2], check=2)
    assert service.requests == []


def test_settings_for_a_cluster_are_refused(submit, file, service):
    second = yaml.safe_dump({"platforms": {"kubernetes": {}}})
    file.write_bytes(toy.text(toy.toy()) + b"---\n" + second.encode())
    assert "which Vertex AI does not take" in submit(check=2)
    assert service.requests == []


def test_the_api_checks_too(submit, service, file):
    document = toy.toy()
    document["more"] = 1
    file.write_bytes(toy.text(document))
    error = submit(check=2)
    assert "request is refused" in error
    assert "more" in error


@pytest.mark.parametrize("place", ["--project=toy-project", "--kfp-host=http://127.0.0.1:1"])
def test_trust_14_a_secret_goes_nowhere(service, file, capsys, place):
    """Neither to Vertex AI nor to Kubeflow, whose records would show it."""
    from idxpipe.pipeline.cli import main as cli

    words = ["submit", "--pipeline", str(file), "--root", "gs://ours/root", place]
    words += ["--set", "data=https://me:hunter2@host/x", "--dry-run", "--no-preflight"]
    words += ["--region", "us-central1"] if "project" in place else []
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert "URI holds a password or signature" in said.err
    assert "hunter2" not in said.err + said.out
    assert service.requests == []
