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
