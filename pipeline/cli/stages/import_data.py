"""The command `import`."""

import argparse
import shlex
from typing import TYPE_CHECKING

from idxpipe.components.core.config import fields, flag
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.components.core.narration import say
from idxpipe.components.core.printable import printable
from idxpipe.components.core.shapes import format_shape
from idxpipe.components.intake.config import ImportConfig
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_parameter, add_required, read_config

if TYPE_CHECKING:
    from idxpipe.components.intake.stage import Imported


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the source, the folder, and what is done about images that differ."""
    what = (
        "folder with a folder of PNG, JPEG, BMP or GIF images per class, perhaps in train/ and "
        "test/; .npz file; .csv file; folder or .zip of any of these"
    )
    parser.add_argument("source", metavar="SOURCE", help=what)
    add_required(parser, "--output", "folder that gets the files; new or empty")
    for field in fields(ImportConfig):
        if isinstance(field.default, bool):
            text = str(field.metadata["help"])
            parser.add_argument(flag(field.name), action="store_true", help=text)
        else:
            add_parameter(parser, field)


def run(args: argparse.Namespace) -> Outcome:
    """Import a source."""
    config = read_config(args, ImportConfig)

    from idxpipe.components.intake.found import ImagesError
    from idxpipe.components.intake.stage import import_data

    try:
        made = import_data(args.source, args.output, config)
    except ImagesError as error:
        return Outcome({"images": [image.to_json() for image in error.images]}, error=error)
    _say_what_is_missing(made)
    following = _following(made)
    data = {
        "output": made.output,
        "files": made.files,
        "num_examples": made.num_examples,
        "image_shape": made.image_shape,
        "image_dtype": made.image_dtype,
        "class_names": made.class_names,
        "held_out": made.held_out,
        "skipped": [image.to_json() for image in made.skipped],
        "left_out": made.left_out,
        "next": following,
    }
    counts = made.num_examples
    text = [
        *(f"{made.output.rstrip('/')}/{name}" for name in made.files.values()),
        f"{counts['train']} to train on, {counts['test']} to test on"
        f"{' (held out)' if made.held_out else ''}, {format_shape(made.image_shape)} "
        f"{made.image_dtype}, {len(made.class_names)} classes",
        f"next: {following}",
    ]
    return Outcome(data, "\n".join(text))


def _say_what_is_missing(made: "Imported") -> None:
    if made.skipped:
        s = "s" if len(made.skipped) > 1 else ""
        say(f"left out {len(made.skipped)} image{s} that cannot be used: see skipped.csv")
    if made.left_out:
        count = len(made.left_out)
        kind = "files that are no examples" if count > 1 else "file that is no example"
        shown = [*map(printable, made.left_out[:3]), *(["..."] if count > 3 else [])]
        say(f"left out {count} {kind}: {', '.join(shown)}")


def _following(made: "Imported") -> str:
    """Return the command that trains on the data set."""
    usual = LayoutConfig()
    words = ["idxpipe", "run", "--data", made.output]
    if made.image_shape != usual.shape:
        words += ["--set", f"image_shape={format_shape(made.image_shape)}"]
    if len(made.class_names) != usual.num_classes:
        words += ["--set", "num_classes=0"]
    return shlex.join(words)
