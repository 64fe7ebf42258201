import json

from idxpipe.pipeline.cli.main import main
from idxpipe.pipeline.preflight.check import ok
from tests.fakes.google import ACCOUNT, BUCKET, PROJECT, REGION
from tests.pipeline.preflight.looks import QUOTA, pipeline_file


def command(*more):
    return main(["doctor", "--project", PROJECT, "--region", REGION, *more])


def test_the_command_prints_a_line_each_and_exits_with_5(google, tmp_path, capsys):
    google.apis.discard("compute")
    words = ["--root", f"gs://{BUCKET}/runs", "--service-account", ACCOUNT]
    words += ["--pipeline", pipeline_file(tmp_path)]
    google.quota(QUOTA, 4)
    assert command(*words) == 5
    out = capsys.readouterr().out
    # The golden file names its images otherwise than the compiler would now.
    assert all(line.startswith(("ok   ", "FAIL ", "?    ")) for line in out.splitlines())
    assert "FAIL APIs: not enabled: compute.googleapis.com; fix: gcloud services enable" in out


def test_the_command_as_json(google, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "idxpipe.pipeline.preflight.doctor.check_fresh", lambda *args: ok("pipeline", "is fresh")
    )
    google.quota(QUOTA, 4)
    words = ["--root", f"gs://{BUCKET}/runs", "--service-account", ACCOUNT, "--json"]
    assert command(*words, "--pipeline", pipeline_file(tmp_path)) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert {"status", "what", "found", "fix"} == set(answer["checks"][0])
