from idxpipe.pipeline.runs import accept
from tests.pipeline.runs.commands import as_json, command


def test_accept_takes_a_result_for_the_code_of_today(run, root, capsys, pipeline, monkeypatch):
    record = run()
    assert accept.accept(record, "train") == {"train": []}
    monkeypatch.setattr("idxpipe.pipeline.local.code._version", lambda name: "9.9")
    monkeypatch.setattr(
        "idxpipe.pipeline.local.identity.code.versions", lambda packages: {"keras": "9.9"}
    )
    found = as_json(capsys, "accept", "train", "--root", str(root))
    assert (
        "keras none -> 9.9" in "; ".join(found["accepted"]["train"]) or found["accepted"]["train"]
    )
    later = run()
    assert later.tasks["train"].status == "cached"
    assert all(reason.startswith("accepted: ") for reason in later.tasks["train"].reasons)
    # Nobody accepted the others.
    assert later.tasks["copy-train"].status == "succeeded"
    assert "no such stage" in command(capsys, "accept", "cake", "--root", str(root), code=2).err
