"""The gate stage as a Kubeflow component."""

from kfp import dsl
from kfp.dsl import Input, Metrics

from idxpipe.components.core.container_image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate(metrics: Input[Metrics], min_accuracy: float):
    """Fail with exit code 4 if the evaluated model is not good enough."""
    from idxpipe.components.core.artifacts import to_read
    from idxpipe.components.core.errors import exit_on_error
    from idxpipe.components.gate.config import GateConfig
    from idxpipe.components.gate.stage import gate

    with exit_on_error():
        gate(to_read(metrics), GateConfig.of(locals()))
