"""The command `tpu-check`."""

import argparse
import dataclasses
from typing import TYPE_CHECKING

from idxpipe.components.core.config import fields
from idxpipe.components.core.dataset.manifest import read_dataset
from idxpipe.components.core.errors import SetupError, UsageError
from idxpipe.components.core.shapes import parse_shape
from idxpipe.components.evaluate.config import EvaluateConfig
from idxpipe.components.train.config import TrainConfig
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_config, add_parameter, read_config

if TYPE_CHECKING:
    from idxpipe.components.train.lowering.programs import Images, Program

DEFAULT = "v5e:2x2"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the slices, the images and the recipe."""
    parser.add_argument(
        "--topology",
        default=DEFAULT,
        metavar="NAME,...",
        help="slices of a TPU: v5e:2x2, or v5litepod-4, v3-8, tpu-v5e-4, ct5lp-hightpu-4t; all is "
        f"one of each generation (default: {DEFAULT})",
    )
    parser.add_argument(
        "--records",
        default="",
        metavar="URI",
        help="folder of a converted dataset, to take the images' shape, type and classes from",
    )
    parser.add_argument(
        "--image-shape", default="28x28", metavar="TEXT", help="without --records (default: 28x28)"
    )
    parser.add_argument(
        "--image-dtype", default="uint8", metavar="TEXT", help="without --records (default: uint8)"
    )
    parser.add_argument(
        "--num-classes", type=int, default=10, metavar="N", help="without --records (default: 10)"
    )
    (size,) = (field for field in fields(EvaluateConfig) if field.name == "eval_batch_size")
    add_parameter(parser, size)
    parser.add_argument(
        "--whole-loop",
        action="store_true",
        help="also compile the loop of `iterations` steps as one program",
    )
    parser.add_argument(
        "--search",
        type=int,
        default=0,
        metavar="N",
        help="find the largest batch that fits by up to N more compilations (default: 0)",
    )
    add_config(parser, TrainConfig)


def run(args: argparse.Namespace) -> Outcome:
    """Compile for every topology; exit code 5 if something does not compile or fit."""
    from idxpipe.components.core.tf_host import quiet_import
    from idxpipe.pipeline.cli.tables import table
    from idxpipe.pipeline.tpu.check import Recipe, check
    from idxpipe.pipeline.tpu.compiler import check_installed
    from idxpipe.pipeline.tpu.table import HEAD, LIMITS, notes, rows
    from idxpipe.pipeline.tpu.topology import ONE_OF_EACH, find_topology

    names = ONE_OF_EACH if args.topology == "all" else args.topology.split(",")
    topologies = [find_topology(name) for name in names]
    config = read_config(args, TrainConfig).resolved()
    evaluated = read_config(args, EvaluateConfig).eval_batch_size
    if config.precision == "auto":
        # As precision.py decides on a TPU.
        config = dataclasses.replace(config, precision="bfloat16")
    check_installed()
    with quiet_import():
        from idxpipe.components.train.lowering import programs as lowering

        lowering.start()
        images = _images(args, lowering.Images)

    def programs(replicas: int) -> "list[Program]":
        found = [lowering.lower_step(config, images, replicas)]
        if args.whole_loop:
            found.append(lowering.lower_loop(config, images, replicas))
        return [*found, lowering.lower_serving(config, images, evaluated)]

    def step(batch_size: int, replicas: int) -> "Program":
        changed = dataclasses.replace(config, batch_size=batch_size)
        return lowering.lower_step(changed, images, replicas)

    recipe = Recipe(programs, step, config.batch_size, config.train_steps)
    reports = [check(recipe, topology, args.search) for topology in topologies]
    compiles = all(report.compiles for report in reports)
    data = {
        "config": config.to_json(),
        "image_shape": list(images.shape),
        "image_dtype": images.dtype,
        "num_classes": images.num_classes,
        "topologies": [report.to_json() for report in reports],
        "limits": LIMITS,
    }
    text = "\n".join([table(*HEAD, rows=rows(reports)), notes(reports)])
    return Outcome(data, text, 0 if compiles else SetupError.exit_code)


def _images(args: argparse.Namespace, images: "type[Images]") -> "Images":
    import numpy as np

    if args.records:
        dataset = read_dataset(args.records)
        return images(dataset.image_shape, dataset.image_dtype, dataset.num_classes)
    shape = parse_shape(args.image_shape)
    try:
        dtype = np.dtype(args.image_dtype)
    except TypeError:
        dtype = np.dtype(object)
    if shape is None or dtype.kind not in "uif" or args.num_classes < 1:
        raise UsageError(
            "no such images",
            where="--image-shape, --image-dtype, --num-classes",
            expected="a shape, a type of IDX files (uint8, float32, ...) and at least one class",
            found=f"{args.image_shape}, {args.image_dtype}, {args.num_classes}",
            remedy="give these flags, or --records to take all three from a dataset",
        )
    return images(shape, dtype.name, args.num_classes)
