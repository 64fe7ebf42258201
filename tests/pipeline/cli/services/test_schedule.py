import pytest


def schedule(idxpipe, file, *words, **options):
    words = ("--pipeline", file, "--root", "gs://ours/root", "--data", "gs://ours/data", *words)
    return idxpipe("schedule", *words, **options)


def test_schedule(service, idxpipe, file):
    cron = "TZ=Europe/Zurich 0 6 * * 1-5"
    made = schedule(idxpipe, file, "--cron", cron, "--name", "weekly", "--max-runs", 3)
    assert (made["cron"], made["displayName"], made["maxRunCount"]) == (cron, "weekly", "3")
    number = made["name"].rpartition("/")[2]
    assert service.wait(service.tick(number))["state"] == "PIPELINE_STATE_SUCCEEDED"
    assert [entry["name"] for entry in idxpipe("schedule", "--list")] == [made["name"]]
    assert number in idxpipe("schedule", "--list", json_=False)
    assert idxpipe("schedule", "--delete", number)["deleted"]
    assert "does not exist" in idxpipe("schedule", "--delete", number, check=2)
    assert "not the id of a schedule" in idxpipe("schedule", "--delete", "../x", check=2)
    body = schedule(idxpipe, file, "--cron", cron, "--dry-run")
    assert body["createPipelineJobRequest"]["parent"] == (
        "projects/toy-project/locations/us-central1"
    )
    assert "--cron" in schedule(idxpipe, file, "--cron", "* * *", check=2)
    assert "--cron" in schedule(idxpipe, file, "--cron", "daily", check=2)
    assert "--max-runs" in schedule(idxpipe, file, "--cron", cron, "--max-runs", -1, check=2)


def test_schedules_are_not_created_twice(service, idxpipe, file):
    service.lost = 1
    error = schedule(idxpipe, file, "--cron", "0 6 * * *", check=6)
    assert "service cannot be reached" in error
    assert len(service.schedules) == 1


@pytest.mark.parametrize(
    "cron",
    [
        "60 6 * * *",
        "0 24 * * *",
        "0 0 0 * *",
        "0 0 * 13 *",
        "0 0 * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
    ],
)
def test_trust_9_a_time_that_never_comes_is_refused(service, idxpipe, file, cron):
    assert "no time is ever that" in schedule(idxpipe, file, "--cron", cron, "--dry-run", check=2)


@pytest.mark.parametrize("cron", ["*/15 0-23/2 1,15 jan-mar mon", "59 23 31 12 7"])
def test_times_that_come_are_taken(service, idxpipe, file, cron):
    assert schedule(idxpipe, file, "--cron", cron, "--dry-run")["cron"] == cron
