import json

import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.spec.placeholders import command_line, substitute

INPUT = {
    "inputs": {
        "parameterValues": {"x": 3, "s": 'say "hi"', "l": [1, "a"], "trap": "{{$}}"},
        "artifacts": {
            "model": {
                "artifacts": [{"name": "m", "uri": "/m", "metadata": {"step": 5}, "type": {}}]
            }
        },
    },
    "outputs": {
        "parameters": {"p": {"outputFile": "/out/p"}},
        "artifacts": {"data": {"artifacts": [{"name": "data", "uri": "/d", "metadata": {}}]}},
        "outputFile": "/out/executor_output.json",
    },
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain $ {} {{x}}", "plain $ {} {{x}}"),
        ("{{$.inputs.parameters['x']}}", "3"),
        ('{{$.inputs.parameters["x"]}}', "3"),
        ("{{$.inputs.parameters['l']}}", '[1,"a"]'),
        ("{{$.inputs.parameters['absent']}}", "null"),
        ("a-{{$.inputs.parameters['s']}}-b", 'a-say "hi"-b'),
        ("{{$.inputs.parameters['s'].json_escape[0]}}", 'say "hi"'),
        ("{{$.inputs.parameters['s'].json_escape[1]}}", 'say \\"hi\\"'),
        ("{{$.inputs.parameters['trap']}}", "{{$}}"),
        ("{{$.inputs.artifacts['model'].uri}}", "/m"),
        ("{{$.inputs.artifacts['model'].path}}", "/m"),
        ("{{$.inputs.artifacts['model'].metadata}}", '{"step":5}'),
        ("{{$.inputs.artifacts['model'].metadata['step']}}", "5"),
        ("{{$.outputs.artifacts['data'].uri}}", "/d"),
        ("{{$.outputs.parameters['p'].output_file}}", "/out/p"),
        ("{{$.outputs.output_file}}", "/out/executor_output.json"),
        ("{{$.outputMetadataUri}}", "/out/executor_output.json"),
        ("{{$.pipeline_job_name}}/{{$.pipeline_task_name}}", "job/task"),
    ],
)
def test_placeholders(text, expected):
    names = {"pipeline_job_name": "job", "pipeline_task_name": "task"}
    assert substitute(text, INPUT, names=names, where="t") == expected


def test_the_whole_input_and_its_escaped_form():
    assert json.loads(substitute("{{$}}", INPUT, where="t")) == INPUT
    nested = substitute('{"args": ["{{$.json_escape[1]}}"]}', INPUT, where="t")
    assert json.loads(json.loads(nested)["args"][0]) == INPUT


@pytest.mark.parametrize(
    "text",
    [
        "{{$.inputs.artifacts['gone'].uri}}",
        "{{$.outputs.parameters['gone'].output_file}}",
        "{{$.workspace_path}}",
        "{{$.inputs.artifacts['model'].metadata['gone']}}",
    ],
)
def test_unknown_ones_are_refused(text):
    with pytest.raises(UsageError, match="placeholder cannot be filled in") as caught:
        substitute(text, INPUT, where="task")
    assert text in str(caught.value)


def test_structures():
    elements = [
        "run",
        '{"Concat": ["--x=", "{{$.inputs.parameters[\'x\']}}"]}',
        '{"IfPresent": {"InputName": "x", "Then": ["--have", "x"], "Else": ["--no"]}}',
        '{"IfPresent": {"InputName": "y", "Then": "--y", "Else": "--no-y"}}',
        '{"IfPresent": {"InputName": "y", "Then": "--y"}}',
        '{"IfPresent": {"InputName": "model", "Then": {"Concat": ["a", "b"]}}}',
    ]
    line = command_line(elements, INPUT, {}, "t")
    assert line == ["run", "--x=3", "--have", "x", "--no-y", "ab"]
