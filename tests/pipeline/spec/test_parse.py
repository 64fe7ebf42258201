import pytest

from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.pipeline.spec.graph import Container
from idxpipe.pipeline.spec.parse import dump, load, parse
from tests.pipeline import toy


def test_reads_executor_and_caching(pipeline):
    container = pipeline.tasks["train"].executor
    assert isinstance(container, Container)
    assert container.command[:2] == ("sh", "-ec")
    assert pipeline.tasks["train"].cacheable
    assert not pipeline.tasks["look"].cacheable


def test_keeps_a_platform_document(pipeline):
    two = toy.text(toy.toy()) + b"---\nplatforms:\n  kubernetes: {}\n"
    read = parse(two)
    assert read.platform == {"platforms": {"kubernetes": {}}}
    assert parse(dump(read.document, read.platform)).tasks == pipeline.tasks


def test_digest_is_of_the_file(pipeline):
    assert parse(pipeline.source + b"\n").digest != pipeline.digest


def broken(path, value):
    """Return the toy's spec with one entry replaced, or deleted for None."""
    document = toy.toy()
    node = document
    *folders, last = path
    for name in folders:
        node = node[name]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return toy.text(document)


TASK = ("root", "dag", "tasks", "train")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "an empty file"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"a: [1", "line 1"),
        (b"- 1\n", "a mapping"),
        (b"a: 1\n", "schemaVersion"),
        (b"!!python/object/apply:os.system [ls]", "not YAML"),
        (b"{1: 2, schemaVersion: '2.1'}", "deploymentSpec"),
        (b"[" * 5000, "deeper nesting"),
        (b"a: &a [x, x]\nb: " + b"[" * 3 + b"*a" + b"]" * 3, "schemaVersion"),
        (b"x" * (17 << 20), "too large"),
        (broken(("schemaVersion",), "3.0"), "'3.0'"),
        (broken(("root",), None), "'root'"),
        (broken((*TASK, "componentRef"), {"name": "comp-gone"}), "comp-gone"),
        (broken(("components", "comp-train", "executorLabel"), "exec-gone"), "exec-gone"),
        (broken((*TASK, "dependentTasks"), ["gone"]), "gone"),
        (broken((*TASK, "dependentTasks"), ["judge"]), "wait for each other"),
        (broken((*TASK, "dependentTasks"), "judge"), "tasks.train.dependentTasks"),
        (broken((*TASK, "dependentTasks"), [1]), "dependentTasks[0]"),
        (broken((*TASK, "inputs", "parameters", "steps"), toy.parameter("stepz")), "stepz"),
        (broken((*TASK, "inputs", "parameters", "steps"), toy.output("look", "n")), "nowhere"),
        (broken((*TASK, "cachingOptions", "enableCache"), "yes!"), "true or false"),
        (toy.text(toy.toy()) + b"---\nmore: 1\n", "platforms"),
        (toy.text(toy.toy()) + b"---\nplatforms: {}\n---\n{}\n", "second document"),
    ],
)
def test_refuses_what_is_not_a_pipeline(source, message):
    with pytest.raises(DataError, match=message.replace("[", r"\[")):
        parse(source, "p.yaml")


def test_load_names_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("path", "value", "construct"),
    [
        ((*TASK, "parameterIterator"), {"itemInput": "x"}, "a loop"),
        ((*TASK, "triggerPolicy"), {"condition": "a == b"}, "a condition"),
        (
            (*TASK, "triggerPolicy"),
            {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"},
            "an exit handler",
        ),
        (("components", "comp-train", "dag"), {"tasks": {}}, "a sub-DAG"),
        (("deploymentSpec", "executors", "exec-train"), {"customJob": {}}, "'customJob'"),
        (
            ("deploymentSpec", "executors", "exec-train"),
            {"container": {"image": "x"}},
            "entry point",
        ),
        (
            (*TASK, "inputs", "parameters", "steps"),
            {"taskFinalStatus": {"producerTask": "look"}},
            "'taskFinalStatus'",
        ),
        (
            (*TASK, "inputs", "parameters", "steps"),
            {"componentInputParameter": "x", "parameterExpressionSelector": "y"},
            "parameterExpressionSelector",
        ),
        (
            ("components", "comp-train", "inputDefinitions", "artifacts", "dataset"),
            {**toy.kind("Dataset"), "isArtifactList": True},
            "a list of artifacts",
        ),
    ],
)
def test_refuses_what_only_a_cluster_runs(path, value, construct, tmp_path):
    from idxpipe.pipeline.local import runner

    read = parse(broken(path, value))
    with pytest.raises(UsageError, match=construct) as caught:
        runner.run(read, {"data": "x"}, str(tmp_path / "root"))
    assert "train:" in str(caught.value)
    assert not (tmp_path / "root").exists()


def test_refuses_a_mapping_with_other_keys():
    with pytest.raises(DataError, match="names as keys"):
        parse(broken((*TASK, "inputs"), {"parameters": {1: toy.constant(1)}}))
