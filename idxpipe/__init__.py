"""IDX files to an evaluated classifier, in stages: validate, convert, train, evaluate.

    import idxpipe

    idxpipe.convert("data/mnist", "out/records")
    idxpipe.train("out/records/train", "out/training", recipe="fast")
    idxpipe.evaluate("out/records/test", "out/training", "out/evaluation").accuracy

Nothing is loaded before it is used: TensorFlow with `train`, Beam with `convert`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from idxpipe.components.core.errors import IdxpipeError as IdxpipeError
    from idxpipe.pipeline.api import convert as convert
    from idxpipe.pipeline.api import evaluate as evaluate
    from idxpipe.pipeline.api import load_dataset as load_dataset
    from idxpipe.pipeline.api import predict as predict
    from idxpipe.pipeline.api import run as run
    from idxpipe.pipeline.api import train as train
    from idxpipe.pipeline.api import validate as validate

__version__ = "0.1.0"
__all__ = [
    "IdxpipeError",
    "__version__",
    "convert",
    "evaluate",
    "load_dataset",
    "predict",
    "run",
    "train",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # By name: the stages import this package for its version, and must not depend on the library.
    module = "components.core.errors" if name == "IdxpipeError" else "pipeline.api"
    return getattr(import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
