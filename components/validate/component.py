"""The validate stage as a Kubeflow component."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact, Output

from idxpipe.components.core.container_image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def validate(
    data: str,
    data_prefix: str,
    train_images: str,
    train_labels: str,
    test_images: str,
    test_labels: str,
    num_classes: int,
    image_shape: str,
    label_column: int,
    transposed: bool,
    one_hot: bool,
    label_offset: int,
    channels_first: bool,
    flattened: bool,
    pixel_range: str,
    depth: str,
    data_baseline: str,
    max_share_change: float,
    report: Output[Artifact],
    page: Output[HTML],
) -> NamedTuple(
    "Validated",
    [
        ("train_images_uri", str),
        ("train_labels_uri", str),
        ("test_images_uri", str),
        ("test_labels_uri", str),
        ("train_images_fingerprint", str),
        ("train_labels_fingerprint", str),
        ("test_images_fingerprint", str),
        ("test_labels_fingerprint", str),
        ("classes", int),
        ("shape", str),
        ("class_names", str),
    ],
):
    """Check the four IDX files and hand on where they are and their fingerprints."""
    from idxpipe.components.core.artifacts import to_write
    from idxpipe.components.core.errors import exit_on_error
    from idxpipe.components.core.idx.files import DataConfig, find_files
    from idxpipe.components.validate.config import ValidateConfig
    from idxpipe.components.validate.stage import validate

    with exit_on_error():
        report.uri += ".json"
        page.uri += ".html"
        files = find_files(DataConfig.of(locals()))
        config = ValidateConfig.of(locals())
        return validate(files, config, to_write(report), to_write(page)).handed_on()
