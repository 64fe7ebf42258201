"""The command `validate`."""

import argparse

from idxpipe.components.core.idx.files import DataConfig, find_files
from idxpipe.components.validate.config import HEADERS, ValidateConfig
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_config, add_text, read_config


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add what is checked, and where the reports go."""
    for name, what in (("--report", "JSON report"), ("--page", "HTML page, with pictures,")):
        add_text(parser, name, "URI", f"also write the {what} here")
    add_config(parser, DataConfig, ValidateConfig)


def run(args: argparse.Namespace) -> Outcome:
    """Check a data set."""
    from idxpipe.components.validate.stage import validate
    from idxpipe.pipeline.cli.tables import table

    config = read_config(args, ValidateConfig)
    files = find_files(read_config(args, DataConfig))
    outputs = (args.report or None, args.page or None)
    # Here nobody waits for fingerprints.
    found = validate(files, config, *outputs, fingerprints=config.depth != HEADERS)
    report = found.to_json()
    rows = [
        (
            role,
            file.header.records,
            "x".join(map(str, file.header.record_shape)),
            file.header.dtype,
            str(file.fingerprint or "-"),
            file.uri,
        )
        for role, file in found.files.items()
    ]
    classes = found.num_classes if found.num_classes is not None else "uncounted"
    lines = [
        table("file", "records", "shape", "type", "fingerprint", "uri", rows=rows),
        *map(str, found.findings),
        f"in order: {classes} classes, {report['image_dtype']} images",
    ]
    return Outcome(report, "\n".join(lines))
