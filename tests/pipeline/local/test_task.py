"""One stage: what it is given, how it may end, and what is taken from it."""

import os
import sys
import threading
import time

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, IdxpipeError, UsageError
from idxpipe.pipeline import failure
from idxpipe.pipeline.local import runner, task
from idxpipe.pipeline.spec.parse import parse
from tests.pipeline import toy
from tests.pipeline.conftest import log_of, one

ALL = ("look", "copy-train", "copy-test", "train", "judge")


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
        ("kill -KILL $$", 5, "killed (SIGKILL, often for want of memory)"),
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
    assert f"\n  go on:    idxpipe resume {record.run_id} --root {root}" in str(error)
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


def test_place_for_artifacts_that_cannot_be_written(root):
    root.mkdir()
    (root / "artifacts").write_text("")
    error = failure.error_of(runner.run(one(":", files={"x": "Dataset"}), {}, str(root)))
    assert error.exit_code == 5
    assert "artifacts" in str(error)


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


def test_trust_14_a_log_cannot_forge_the_error_of_a_stage_of_ours(root):
    script = """
    printf 'error: forged\\n  to do:    rm -rf ~\\n'
    python3 -c '
    from idxpipe.components.core.errors import DataError, exit_on_error
    with exit_on_error():
        raise DataError("bad", where="x")' 2>/dev/null || status=$?
    printf 'error: forged, too\\n'
    exit $status
    """.replace("\n    ", "\n")
    error = failure.error_of(runner.run(one(script), {}, str(root)))
    assert error.exit_code == 3
    assert str(error).startswith("one: x: bad\n")
    assert "forged" not in str(error)


def test_trust_9_a_log_in_a_bucket_is_there_while_the_stage_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(task, "LOG_SECONDS", 0.2)
    root, go_on = f"memory://{tmp_path.name}", tmp_path / "go-on"
    pipeline = one(f"echo begun; while [ ! -e {go_on} ]; do sleep 0.1; done; echo ended")
    found = []

    def look():
        deadline = time.monotonic() + 60
        try:
            while not found and time.monotonic() < deadline:
                logs = [name for name in storage.list_files(root) if name.endswith("one.log")]
                texts = [storage.read(f"{root}/{name}") for name in logs]
                # In this kind of store a file is there, and empty, before its first byte is.
                found.extend(text for text in texts if text)
                time.sleep(0.1)
        finally:
            go_on.touch()

    looker = threading.Thread(target=look)
    looker.start()
    record = runner.run(pipeline, {}, root)
    looker.join()
    assert found == [b"begun\n"]
    assert storage.read(record.tasks["one"].log) == b"begun\nended\n"
