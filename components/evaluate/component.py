"""The evaluate stage as a Kubeflow component."""

from kfp import dsl
from kfp.dsl import HTML, ClassificationMetrics, Dataset, Input, Metrics, Model, Output

from idxpipe.components.core.container_image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    dataset: Input[Dataset],
    model: Input[Model],
    eval_batch_size: int,
    eval_steps: int,
    top_k: int,
    baseline: str,
    baseline_alpha: float,
    trust_model: bool,
    accelerator: str,
    tpu: str,
    num_replicas: int,
    stage_bytes: int,
    metrics: Output[Metrics],
    confusion_matrix: Output[ClassificationMetrics],
    report: Output[HTML],
):
    """Evaluate the model on the TFRecord dataset."""
    from idxpipe.components.core.artifacts import to_read, to_write
    from idxpipe.components.core.device import DeviceConfig
    from idxpipe.components.core.errors import exit_on_error
    from idxpipe.components.core.model import read_card
    from idxpipe.components.evaluate.config import EvaluateConfig
    from idxpipe.components.evaluate.stage import evaluate

    metrics.uri += ".json"
    report.uri += ".html"
    with exit_on_error():
        config = EvaluateConfig.of(locals())
        device = DeviceConfig.of(locals())
        result = evaluate(
            to_read(dataset),
            to_read(model),
            to_write(metrics),
            to_write(report),
            config,
            device,
        )
        metrics.log_metric("accuracy", result.accuracy)
        metrics.log_metric("loss", result.loss)
        metrics.log_metric("num_examples", result.num_examples)
        metrics.log_metric("macro_f1", result.macro.f1)
        metrics.log_metric(f"top_{result.top_k}", result.top_k_accuracy)
        metrics.log_metric("ece", result.calibration_error)
        # A larger one would be more than the 200 KB of metadata that Vertex AI takes; metrics.json
        # and the report have it all the same.
        if len(result.confusion) <= 100:
            names = read_card(to_read(model)).class_names
            confusion_matrix.log_confusion_matrix(
                list(names) or [str(label) for label in range(len(result.confusion))],
                [list(row) for row in result.confusion],
            )
