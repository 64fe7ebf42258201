"""What the metadata store says of a run; it is the real one."""

from tests.pipeline import toy


def states(record):
    return {name: task["status"] for name, task in record["tasks"].items()}


def test_without_a_metadata_store(run, submit, service, capsys):
    """The API server itself, or a proxy that passes on only /apis."""
    submit()
    service.store = ""
    assert states(run("status", "run-1"))["train"] == "succeeded"
    error = run("submit", "--from", "train", "--run", "run-1", check=5)
    assert "no metadata store answers at this address" in error
    assert "svc/ml-pipeline-ui" in error
    service.raw = b"<html>login"
    assert "answer is not JSON" in run("status", "run-1", check=5)


def test_the_numbers_of_the_store_are_those_of_the_parameters(service, submit, run, file):
    """A whole number comes back from the store as a double."""
    document = toy.document(
        {
            "count": toy.task(
                'printf 60000 > "$0"; printf true > "$1"',
                "{{$.outputs.parameters['n'].output_file}}",
                "{{$.outputs.parameters['fast'].output_file}}",
                values={"n": "NUMBER_INTEGER", "fast": "BOOLEAN"},
            ),
            "use": toy.task(
                'test "$0" = 60000',
                "{{$.inputs.parameters['n']}}",
                parameters={
                    "n": ("NUMBER_INTEGER", toy.output("count", "n")),
                    "fast": ("BOOLEAN", toy.output("count", "fast")),
                },
            ),
        },
        {"data": ("STRING", None)},
    )
    file.write_bytes(toy.text(document))
    submit()
    assert run("submit", "--only", "use", "--run", "run-1", "--wait")["status"] == "succeeded"
    inputs = service.runs["run-2"]["pipeline_spec"]["root"]["dag"]["tasks"]["use"]["inputs"]
    assert inputs["parameters"] == {
        "n": {"runtimeValue": {"constant": 60000}},
        "fast": {"runtimeValue": {"constant": True}},
    }
