import dataclasses

from idxpipe.pipeline.state import Status
from tests.pipeline.runs.commands import command


def test_a_log_is_printed_and_followed(run, root, capsys, monkeypatch):
    monkeypatch.setenv("BREAK", "a")
    record = run()
    words = ("log", "latest", "copy-train", "--root", str(root))
    assert "something before" in command(capsys, *words).out
    assert "no such stage" in command(capsys, "log", "latest", "x", "--root", str(root), code=2).err
    said = command(capsys, "log", "latest", "train", "--root", str(root), code=2).err
    assert "printed nothing in this run" in said
    # While it runs, what comes later is printed, too.
    log = record.tasks["copy-train"].log
    running = dataclasses.replace(record.tasks["copy-train"], status=Status.RUNNING)
    states = [running, running, record.tasks["copy-train"]]

    def find(args):
        with open(log, "a") as stream:
            stream.write("more\nand ")
        return states.pop(0) if states else record.tasks["copy-train"]

    monkeypatch.setattr("idxpipe.pipeline.cli.runs.log._find", find)
    monkeypatch.setattr("idxpipe.pipeline.cli.runs.log._POLL_SECONDS", 0)
    assert command(capsys, *words, "--follow").out.count("more") >= 3
