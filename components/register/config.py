"""Parameters of the register stage."""

import dataclasses

from idxpipe.components.core.config import Config, parameter


@dataclasses.dataclass(frozen=True)
class RegisterConfig(Config):
    """Where the model is registered, and when it may take over."""

    register_as: str = parameter("", "display name of the model in the registry")
    register_when: str = parameter(
        "better",
        "better refuses a model that scores lower than a registered one on the same test files",
        choices=("better", "always"),
    )
    serving_image: str = parameter(
        "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest",
        "container image that serves the model",
    )
    project: str = parameter("", "Google Cloud project of the registry")
    region: str = parameter("", "region of the registry, such as us-central1")
