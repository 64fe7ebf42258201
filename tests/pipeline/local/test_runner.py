import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import threading
import time

import pytest

from idxpipe.components.core.errors import DataError, IdxpipeError, SetupError, UsageError
from idxpipe.components.core.stores.local import LocalStore
from idxpipe.pipeline import failure, rerun, state
from idxpipe.pipeline.cli import summary
from idxpipe.pipeline.local import runner
from idxpipe.pipeline.spec.parse import parse
from tests.pipeline import toy
from tests.pipeline.conftest import statuses

ALL = ("look", "copy-train", "copy-test", "train", "judge")


def one(script, *arguments, inputs=None, **more):
    """Return a pipeline of one task."""
    return parse(toy.text(toy.document({"one": toy.task(script, *arguments, **more)}, inputs)))


def log_of(record, task="one"):
    with open(record.tasks[task].log) as stream:
        return stream.read()


def test_runs_everything_and_records_it(run, root):
    record = run()
    assert statuses(record) == dict.fromkeys(ALL, "succeeded")
    assert record == state.load(str(root), record.run_id)
    assert record.parameters["steps"] == 10
    judge = record.tasks["judge"]
    assert judge.outputs.parameters == {"score": 0.5}
    assert (
        judge.inputs.artifacts["model"].uri == record.tasks["train"].outputs.artifacts["model"].uri
    )
    with open(judge.outputs.artifacts["report"].uri) as stream:
        assert stream.read() == "second\nFIRST\n"
    assert summary.metrics(record) == {"judge": {"accuracy": 0.5, "n": 3}}
    assert summary.reports(record) == {"judge": judge.folder + "/report.html"}
    assert failure.error_of(record) is None
    assert judge.exit_code == 0
    assert judge.started < judge.ended


def test_keeps_the_very_file(run, pipeline):
    record = run()
    with open(record.folder + "/pipeline.yaml", "rb") as stream:
        assert stream.read() == pipeline.source


def test_independent_tasks_run_side_by_side(run, tmp_path, monkeypatch):
    # Each of the two copies waits for the other.
    meeting = tmp_path / "meet"
    meeting.mkdir()
    monkeypatch.setenv("MEET", str(meeting))
    assert run(jobs=2).status == "succeeded"


def test_jobs_bounds_how_many(run, tmp_path, monkeypatch):
    seen = []
    lock = threading.Lock()

    def watch(task, note):
        with lock:
            seen.append((task.name, str(task.status)))

    assert run(jobs=1, progress=watch).status == "succeeded"
    running = 0
    for _, status in seen:
        running += 1 if status == "running" else -1
        assert running in {0, 1}


def test_refuses_unknown_forced_stage(run):
    with pytest.raises(UsageError, match="no such stage"):
        run(force=frozenset({"nope"}))


def test_refuses_parameters_before_anything_starts(pipeline, root):
    with pytest.raises(UsageError, match="data: required"):
        runner.run(pipeline, {}, str(root))
    assert not root.exists()


def test_container_environment_and_scratch(root):
    script = """
    [ "$SETTING" = "a b" ]; mktemp -d; echo "$TMPDIR"; command -v python3
    python3 -c 'import sys; print(sys.prefix, sys.path[0] != "")'
    """
    record = runner.run(one(script, env={"SETTING": "a b"}), {}, str(root))
    made, temporary, python, last = log_of(record).splitlines()
    assert made.startswith(temporary)
    assert not os.path.exists(temporary)
    assert os.path.dirname(python) == os.path.dirname(sys.executable)
    assert last == f"{sys.prefix} True"


def test_parameters_of_each_type_arrive_and_leave(root):
    kinds = {
        "s": ("STRING", 'a "b"'),
        "i": ("NUMBER_INTEGER", 7.0),
        "d": ("NUMBER_DOUBLE", 1.0),
        "b": ("BOOLEAN", True),
        "l": ("LIST", [1.0, "x"]),
        "t": ("STRUCT", {"k": [2.5]}),
    }
    arguments = []
    for name in kinds:
        arguments += [
            f"{{{{$.inputs.parameters['{name}']}}}}",
            f"{{{{$.outputs.parameters['o{name}'].output_file}}}}",
        ]
    pipeline = one(
        'while [ $# -gt 0 ]; do printf %s "$1" > "$2"; shift 2; done',
        "first",
        *arguments,
        inputs=kinds,
        parameters={n: (k, toy.parameter(n)) for n, (k, _) in kinds.items()},
        values={f"o{n}": k for n, (k, _) in kinds.items()},
    )
    record = runner.run(pipeline, {}, str(root))
    assert failure.error_of(record) is None
    values = record.tasks["one"].outputs.parameters
    assert values == {
        "os": 'a "b"',
        "oi": 7,
        "od": 1.0,
        "ob": True,
        "ol": [1, "x"],
        "ot": {"k": [2.5]},
    }
    assert type(values["oi"]) is int
    assert type(values["od"]) is float


def test_f_strings_are_filled_in(root):
    pipeline = one(
        'echo "$0"',
        "{{$.inputs.parameters['text']}}",
        inputs={"n": ("NUMBER_INTEGER", 4.0)},
        parameters={
            "text": ("STRING", toy.constant("n is {{$.inputs.parameters['pipelinechannel--n']}}")),
            "pipelinechannel--n": ("NUMBER_INTEGER", toy.parameter("n")),
        },
    )
    assert log_of(runner.run(pipeline, {}, str(root))) == "n is 4\n"


@pytest.mark.parametrize(
    ("script", "exit_code", "shown"),
    [
        ("printf 'error: a: bad\\n  found:    b\\nTrailing\\n' >&2; exit 4", 4, "one: a: bad"),
        ("echo error: first; echo error: second; exit 2", 2, "one: second"),
        ("seq 20; exit 1", 1, "  | 11\n"),
        ("seq 20; exit 77", 1, "ended with exit code 77"),
        ("exit 9", 1, "ended with exit code 9"),
        ("kill -KILL $$", 1, "killed (SIGKILL, often for want of memory)"),
        ("(sh -c 'kill -TERM $$')", 1, "killed (SIGTERM)"),
    ],
)
def test_failed_stage(script, exit_code, shown, root):
    record = runner.run(one(script), {}, str(root))
    assert record.status == "failed"
    assert record.tasks["one"].log.endswith("/logs/one.log")
    error = failure.error_of(record)
    assert error.exit_code == exit_code
    assert shown in str(error)
    assert "Trailing" not in str(error)
    assert f"\n  log:      {record.tasks['one'].log}\n" in str(error)
    assert f"\n  go on:    idxpipe run --root {root} --from one --run {record.run_id}" in str(error)
    with pytest.raises(IdxpipeError):
        raise error


def test_command_that_does_not_exist(root):
    document = toy.document({"one": toy.task(":")})
    document["deploymentSpec"]["executors"]["exec-one"]["container"]["command"] = ["/no/such"]
    error = failure.error_of(runner.run(parse(toy.text(document)), {}, str(root)))
    assert error.exit_code == 5
    assert "/no/such: command cannot be started" in str(error)


def test_argument_too_long(root):
    record = runner.run(one(":", "x" * 200_000), {}, str(root))
    assert failure.error_of(record).exit_code == 5


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (":", "no value"),
        ('echo ten > "$0"', "expected: a value of type NUMBER_INTEGER"),
        ('echo "{" > "$1"', "damaged"),
        ('echo [] > "$1"', "damaged"),
        ("""echo '{"parameterValues": {"n": "x"}}' > "$1" """, "found:    'x'"),
    ],
)
def test_outputs_that_are_not_reported_well(script, message, root):
    pipeline = one(
        script,
        "{{$.outputs.parameters['n'].output_file}}",
        "{{$.outputs.output_file}}",
        values={"n": "NUMBER_INTEGER"},
    )
    error = failure.error_of(runner.run(pipeline, {}, str(root)))
    assert isinstance(error, DataError)
    assert message in str(error)


def test_unknown_placeholder_fails_the_stage(root):
    error = failure.error_of(runner.run(one("echo {{$.workspace_path}}"), {}, str(root)))
    assert isinstance(error, UsageError)


def test_root_that_cannot_be_written(pipeline, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(IdxpipeError, match="file"):
        runner.run(pipeline, {"data": "x"}, str(tmp_path / "file"))


def test_place_for_artifacts_that_cannot_be_written(root):
    root.mkdir()
    (root / "artifacts").write_text("")
    error = failure.error_of(runner.run(one(":", files={"x": "Dataset"}), {}, str(root)))
    assert error.exit_code == 5
    assert "artifacts" in str(error)


def test_record_that_cannot_be_written_ends_the_stages(root, monkeypatch):
    def fail(self, record):
        raise SetupError("disk is full")

    def full(task, note):
        monkeypatch.setattr(state.Ledger, "_save", fail)

    started = time.monotonic()
    tasks = {"a": toy.task(":"), "b": toy.task("sleep 30")}
    with pytest.raises(SetupError, match="disk is full"):
        pipeline = parse(toy.text(toy.document(tasks)))
        runner.run(pipeline, {}, str(root), progress=full, jobs=2)
    assert time.monotonic() - started < 10


def test_defect_of_ours_is_recorded(root, monkeypatch):
    monkeypatch.setattr("idxpipe.pipeline.local.cache.key", lambda *_: 1 / 0)
    error = failure.error_of(runner.run(one(":"), {}, str(root)))
    assert error.exit_code == 1
    assert "  | ZeroDivisionError" in str(error)


def test_go_on_command_goes_on(run, root, monkeypatch, pipeline):
    monkeypatch.setenv("BREAK", "b")
    record = run(jobs=1)
    assert statuses(record) == {
        "look": "succeeded",
        "copy-test": "failed",
        "copy-train": "pending",
        "train": "pending",
        "judge": "pending",
    }
    error = failure.error_of(record)
    assert error.exit_code == 3
    assert "byte 4: wrong magic number\n  expected: 2051\n  found:    7\n" in str(error)
    assert "something before" not in str(error)
    words = shlex.split(str(error).rpartition("go on: ")[2])
    flags = dict(zip(words[2::2], words[3::2], strict=True))
    monkeypatch.delenv("BREAK")
    plan = rerun.rerun(flags["--root"], flags["--run"], stages_from=flags["--from"])
    more = runner.run(
        plan.pipeline, plan.parameters, flags["--root"], force=plan.force, earlier=plan.earlier
    )
    assert statuses(more) == {
        "look": "cached",
        "copy-test": "succeeded",
        "copy-train": "succeeded",
        "train": "succeeded",
        "judge": "succeeded",
    }
    # It went on in the folder of the failed attempt, and the next run finds what it made.
    assert more.tasks["copy-test"].folder == record.tasks["copy-test"].folder
    assert "went on from half" in log_of(more, "copy-test")
    assert statuses(run())["judge"] == "cached"


def test_running_siblings_of_a_failure_finish_and_nothing_new_starts(root, tmp_path):
    mark = tmp_path / "failed"
    tasks = {
        "bad": toy.task(f"touch {mark}; exit 3"),
        "good": toy.task(f"while [ ! -e {mark} ]; do sleep 0.05; done; sleep 1"),
        "next": toy.task(":", after=["good"]),
    }
    record = runner.run(parse(toy.text(toy.document(tasks))), {}, str(root), jobs=2)
    assert statuses(record) == {"bad": "failed", "good": "succeeded", "next": "pending"}


def test_two_failures_are_both_named(root):
    tasks = {"a": toy.task("exit 3"), "b": toy.task("sleep 0.3; exit 4")}
    error = failure.error_of(
        runner.run(parse(toy.text(toy.document(tasks))), {}, str(root), jobs=2)
    )
    assert error.exit_code == 3
    assert "also:     b failed" in str(error)


def importer(uri, title="Dataset"):
    document = toy.document({"one": toy.task(":")})
    document["components"]["comp-one"] = {
        "executorLabel": "exec-one",
        "inputDefinitions": {"parameters": {"uri": {"parameterType": "STRING"}}},
        "outputDefinitions": {"artifacts": {"artifact": toy.kind(title)}},
    }
    document["deploymentSpec"]["executors"]["exec-one"] = {
        "importer": {
            "artifactUri": {"runtimeParameter": "uri"},
            "typeSchema": toy.kind(title)["artifactType"],
            "metadata": {"from": "{{$.inputs.parameters['uri']}}", "n": [1.0]},
        }
    }
    document["root"]["dag"]["tasks"]["one"]["inputs"] = {"parameters": {"uri": toy.constant(uri)}}
    return parse(toy.text(document))


def test_root_on_a_store_that_is_not_local(root, data, monkeypatch):
    """No locks there, and logs are copied when a stage has ended."""
    monkeypatch.setattr("idxpipe.components.core.storage.is_local", lambda uri: False)
    monkeypatch.setattr("idxpipe.components.core.storage._resolve", lambda uri: (LocalStore(), uri))
    for expected in ("succeeded", "cached"):
        record = runner.run(one("echo hello"), {}, str(root))
        assert record.tasks["one"].status == expected
        if expected == "succeeded":
            assert log_of(record) == "hello\n"
    assert not list(root.rglob("*lock"))


def test_importer(data, root):
    record = runner.run(importer(str(data)), {}, str(root))
    artifact = record.tasks["one"].outputs.artifacts["artifact"]
    assert artifact.uri == str(data)
    assert artifact.title == "system.Dataset"
    assert artifact.metadata == {"from": str(data), "n": [1.0]}


def test_importer_of_nothing(data, root):
    error = failure.error_of(runner.run(importer(str(data / "none")), {}, str(root)))
    assert isinstance(error, DataError)
    assert str(data / "none") in str(error)
    assert failure.error_of(runner.run(importer("/none", "Metrics"), {}, str(root))) is None


RUNNER = """
import sys
from idxpipe.pipeline.local import runner
from idxpipe.pipeline.spec.parse import load, parse
_, file, data, root, grace = sys.argv
record = runner.run(load(file), {"data": data}, root, grace=float(grace), jobs=2)
print(record.status)
"""


@pytest.fixture
def started(data, root, tmp_path, monkeypatch):
    """Start the toy pipeline in another process, which hangs in a stage."""
    (tmp_path / "pipeline.yaml").write_bytes(toy.text(toy.toy()))
    mark = tmp_path / "hanging"
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    arguments = [str(tmp_path / "pipeline.yaml"), str(data), str(root)]
    processes = []

    def start(hang="b", grace=5):
        process = subprocess.Popen(
            [sys.executable, "-c", RUNNER, *arguments, str(grace)],
            env={**os.environ, "HANG": hang, "HANG_MARK": str(mark)},
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        wait_for(mark.exists)
        mark.unlink()
        # Nothing else is going on by then, so what the tests find does not depend on timing.
        wait_for(lambda: state.find(str(root)).tasks["train"].status == "succeeded")
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_stages(started, root, number, run):
    process = started()
    process.send_signal(number)
    out, _ = process.communicate(timeout=10)
    assert out == "cancelled\n"
    record = state.find(str(root))
    assert record.status == "cancelled"
    assert record.tasks["copy-test"].status == "cancelled"
    error = failure.error_of(record)
    assert error.exit_code == 130
    assert "--from copy-test" in str(error)
    # Well under the 60 s that the stage would have hung.
    assert record.seconds < 10
    assert statuses(run()) == {
        "look": "succeeded",
        "copy-train": "cached",
        "copy-test": "succeeded",
        "train": "cached",
        "judge": "succeeded",
    }


def test_killed_runner_takes_its_stages_along(started, root, run, tmp_path):
    process = started()
    process.kill()
    process.wait()
    before = state.find(str(root))
    assert before.status == "cancelled"
    assert before.tasks["copy-test"].status == "cancelled"
    # The lock outlives the runner until the stage has really ended.
    record = run()
    assert record.tasks["copy-test"].folder == before.tasks["copy-test"].folder
    assert "went on from half" in log_of(record, "copy-test")
    wait_for(lambda: not list((tmp_path / "tmp").glob("idxpipe-*")))


def test_two_runs_at_once_share_the_work(started, root, run):
    process = started()
    notes = []
    # The other run hangs in copy-test until it is told to stop; this one waits for it.
    timer = threading.Timer(1.0, process.send_signal, [signal.SIGINT])
    timer.start()
    record = run(progress=lambda task, note: notes.append((task.name, note)))
    timer.join()
    assert ("copy-test", "waits for another run to do the same") in notes
    assert record.status == "succeeded"
    assert "went on from half" in log_of(record, "copy-test")


def test_second_interrupt_kills(root, tmp_path):
    mark = tmp_path / "mark"
    script = f"trap '' TERM; touch {mark}; sleep 30 & wait; sleep 30"
    pipeline = tmp_path / "p.yaml"
    pipeline.write_bytes(
        toy.text(toy.document({"one": toy.task(script)}, {"data": ("STRING", "x")}))
    )
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(pipeline), "x", str(root), "60"],
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(mark.exists)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=5)[0] == "cancelled\n"


def test_stragglers_of_a_stage_are_ended(root, tmp_path):
    script = f"sleep 30 & echo $! > {tmp_path}/pid"
    started = time.monotonic()
    assert runner.run(one(script), {}, str(root)).status == "succeeded"
    assert time.monotonic() - started < 5
    stat = pathlib.Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    wait_for(lambda: not stat.exists() or " Z " in stat.read_text())


def test_record_is_json(run):
    record = run()
    with open(record.folder + "/run.json") as stream:
        assert json.load(stream)["schema_version"] == state.SCHEMA_VERSION


def test_loads_neither_kfp_nor_tensorflow_nor_beam():
    code = (
        "import sys; import idxpipe.pipeline.local.runner, idxpipe.pipeline.state;"
        "import idxpipe.pipeline.rerun, idxpipe.pipeline.cli.display;"
        "print([m for m in ('kfp', 'tensorflow', 'apache_beam', 'google.protobuf', 'numpy')"
        " if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"
