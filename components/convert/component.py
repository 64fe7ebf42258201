"""The convert stage as a Kubeflow component."""

from kfp import dsl
from kfp.dsl import Dataset, Output

from idxpipe.components.core.container_image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def convert(
    images: str,
    labels: str,
    images_fingerprint: str,
    labels_fingerprint: str,
    split: str,
    class_names: str,
    num_classes: int,
    image_shape: str,
    label_column: int,
    transposed: bool,
    one_hot: bool,
    label_offset: int,
    channels_first: bool,
    flattened: bool,
    pixel_range: str,
    dataset_name: str,
    num_shards: int,
    file_format: str,
    compression: str,
    shuffle_seed: int,
    max_examples: int,
    validation_fraction: float,
    runner: str,
    beam_options: str,
    dataset: Output[Dataset],
):
    """Convert one split of IDX files to TFRecord shards and their manifest."""
    from idxpipe.components.convert.config import ConvertConfig
    from idxpipe.components.convert.stage import convert
    from idxpipe.components.core.artifacts import to_write
    from idxpipe.components.core.errors import exit_on_error
    from idxpipe.components.core.idx.class_names import loads
    from idxpipe.components.core.idx.layout import LayoutConfig

    with exit_on_error():
        config, layout = ConvertConfig.of(locals()), LayoutConfig.of(locals())
        made = convert(
            images,
            labels,
            to_write(dataset),
            config,
            layout,
            split=split,
            expected=(images_fingerprint, labels_fingerprint),
            class_names=loads(class_names),
        )
        dataset.metadata.update(
            split=split, num_examples=made.num_examples, digest=made.digest, **made.sources
        )
