"""The register stage as a Kubeflow component."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Metrics, Model, Output

from idxpipe.components.core.container_image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register(
    model: Input[Model],
    metrics: Input[Metrics],
    run: str,
    register_as: str,
    register_when: str,
    serving_image: str,
    project: str,
    region: str,
    registered: Output[Artifact],
):
    """Register the model as a new version, unless the registered one is better."""
    from idxpipe.components.core.errors import exit_on_error
    from idxpipe.components.register.config import RegisterConfig
    from idxpipe.components.register.stage import register

    with exit_on_error():
        config = RegisterConfig.of(locals())
        result = register(model.uri, metrics.uri, run, config)
        registered.metadata.update(
            model=result.model, version=result.version, accuracy=result.accuracy
        )
