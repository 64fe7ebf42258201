from idxpipe.pipeline.spec.graph import Constant, PipelineInput, TaskOutput
from idxpipe.pipeline.spec.parse import parse
from tests.pipeline import toy


def test_reads_tasks_in_dependency_order(pipeline):
    order = list(pipeline.tasks)
    assert order[0] == "look"
    assert order[-2:] == ["train", "judge"]
    assert pipeline.name == "toy"


def test_types_where_inputs_come_from(pipeline):
    assert pipeline.tasks["train"].parameters == {"steps": PipelineInput("steps")}
    assert pipeline.tasks["train"].artifacts == {"dataset": TaskOutput("copy-train", "dataset")}
    task = toy.task(":", parameters={"n": ("NUMBER_INTEGER", toy.constant(3.0))})
    read = parse(toy.text(toy.document({"one": task})))
    assert read.tasks["one"].parameters == {"n": Constant(3.0)}


def test_knows_what_is_up_and_downstream(pipeline):
    assert pipeline.downstream({"train"}) == {"train", "judge"}
    assert pipeline.upstream({"train"}) == {"copy-train", "look"}
