"""The validation as one self-contained page: no script, no network, all images inside."""

import os
from typing import Any

from idxpipe.components.core.report.template import render as render_page
from idxpipe.components.core.shapes import format_shape
from idxpipe.components.validate.charts import bars, picture, strip
from idxpipe.components.validate.config import FULL
from idxpipe.components.validate.label_statistics import SAMPLED_CLASSES, SAMPLES_PER_CLASS
from idxpipe.components.validate.split import Split
from idxpipe.components.validate.validation import Validation

_KINDS = {"train": "training", "test": "test"}
_TITLES = {"train": "Training split", "test": "Test split"}
_MOST_BARS = 200

Rows = list[tuple[str, str]]


def render(found: Validation) -> str:
    """Return the page of a data set, in order or not."""
    errors = sum(finding.is_error for finding in found.findings)
    warnings = len(found.findings) - errors
    splits = [_split(found, split) for split in found.splits.values()]
    return render_page(
        os.path.dirname(__file__),
        "page.html",
        errors=errors,
        verdict=_number(errors, "error") if errors else "In order",
        warnings=_number(warnings, "warning") if warnings else None,
        subject=_subject(found),
        beside=_beside(found),
        findings=found.findings,
        skipped=_skipped(found),
        facts=_facts(found),
        files=[_file(role, entry) for role, entry in found.to_json()["files"].items()],
        splits=[split for split in splits if any(split[part] for part in _PARTS)],
    )


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _subject(found: Validation) -> str:
    """Return the name of the folder that holds the data set."""
    folders = {file.uri.rpartition("/")[0] for file in found.files.values()}
    return folders.pop().rpartition("/")[2] if len(folders) == 1 else "the data set"


def _beside(found: Validation) -> str:
    images = [
        f"{split.images.header.records:,} {_KINDS[split.name]} images"
        for split in found.splits.values()
        if split.images.fits
    ]
    return " · ".join(images)


def _skipped(found: Validation) -> str | None:
    """Return what else was not looked at, besides the pixels; None if all was looked at."""
    if found.depth == FULL:
        return None
    unread = [s.name for s in found.splits.values() if s.class_counts is None]
    packed = any(file.compressed and not file.fingerprint for file in found.files.values())
    gzip = "the end of gzip files, " if packed else ""
    return gzip + (f"the labels of {' and '.join(unread)}, " if unread else "")


def _facts(found: Validation) -> Rows:
    shape = found.image_shape
    rows = [
        ("Images", f"{format_shape(shape)} {found.image_dtype}" if shape else "none"),
        ("Classes", "not counted" if found.num_classes is None else f"{found.num_classes:,}"),
        ("Depth", found.depth),
    ]
    if found.config.transposed:
        rows.append(("Stored", "transposed, shown upright"))
    if found.config.label_column:
        rows.append(("Label column", str(found.config.label_column)))
    if found.config.data_baseline:
        rows.append(("Baseline", found.config.data_baseline))
    return rows


def _file(role: str, entry: dict[str, Any]) -> Rows:
    shape = entry["shape"]
    what = "no IDX file" if shape is None else f"{format_shape(tuple(shape[:8]))} {entry['dtype']}"
    packed = ", gzip" if entry["compressed"] else ""
    return [
        (role.replace("_", " "), what + packed),
        ("fingerprint", entry["fingerprint"] or "not taken"),
        ("URI", entry["uri"]),
    ]


_PARTS = ("counts", "samples", "pixels")


def _split(found: Validation, split: Split) -> dict[str, Any]:
    figures = found.to_json()["splits"][split.name]
    return {
        "title": _TITLES[split.name],
        "counts": _counts(split, figures),
        "samples": _samples(found, split),
        "pixels": _pixels(found, split, figures),
    }


def _counts(split: Split, figures: dict[str, Any]) -> dict[str, Any] | None:
    if not split.class_counts:
        return None
    counts: list[int] = figures["class_counts"]
    shown = counts[:_MOST_BARS]
    labels = [str(label) for label in range(len(shown))]
    return {
        "left_out": len(counts) > len(shown),
        "shown": len(shown),
        "all": len(counts),
        "chart": bars(f"Examples per class, {split.name}", shown, labels, ("Examples", "class")),
    }


def _samples(found: Validation, split: Split) -> dict[str, Any] | None:
    facts = split.pixels
    if not facts or not facts.samples:
        return None
    groups: list[tuple[str | None, str, list[Any]]] = []
    first = split.label_statistics.first if split.label_statistics else {}
    for label, numbers in sorted(first.items()):
        samples = [facts.samples[number] for number in numbers if number in facts.samples]
        name = found.class_names[label] if label < len(found.class_names) else ""
        groups.append((f"{label} {name}".strip(), f"examples of class {label}", samples))
    if not any(samples for *_, samples in groups):
        samples = [facts.samples[number] for number in sorted(facts.samples)]
        for start in range(0, len(samples), SAMPLES_PER_CLASS):
            part = samples[start : start + SAMPLES_PER_CLASS]
            groups.append((None, f"images from number {start} on", part))
    turned = found.config.transposed
    rows = [
        {
            "label": label,
            "text": text,
            "picture": strip(samples, SAMPLES_PER_CLASS, facts, turned),
        }
        for label, text, samples in groups
        if samples
    ]
    more = len(split.class_counts or []) > SAMPLED_CLASSES
    note = f" of the first {SAMPLED_CLASSES} classes" if more else ""
    return {"rows": rows, "note": note, "named": bool(found.class_names)}


def _pixels(found: Validation, split: Split, figures: dict[str, Any]) -> dict[str, Any] | None:
    facts = split.pixels
    if not facts:
        return None
    figures = figures["pixels"]
    rows = [
        ("Smallest pixel", f"{facts.minimum:g}"),
        ("Largest pixel", f"{facts.maximum:g}"),
        ("Mean", f"{figures['mean']:g}"),
        ("Standard deviation", f"{figures['std']:g}"),
    ]
    if figures["compared"] < facts.images:
        rows.append(("Compared for duplicates", f"the first {figures['compared']:,}"))
    sampled = facts.averaged < facts.images
    turned = found.config.transposed
    brightest = float(facts.std.max()) if facts.std.size else 0.0
    labels = [f"{edge:.3g}" for edge in facts.edges.tolist()[:-1]]
    name = f"Pixels by value, {split.name}"
    return {
        "rows": rows,
        "of": f"{facts.averaged:,} of {facts.images:,} images" if sampled else "all images",
        "mean": picture(facts.mean, facts.minimum, facts.maximum, turned),
        "deviation": picture(facts.std, 0.0, brightest, turned),
        "brightest": f"{brightest:.4g}",
        "histogram": bars(
            name, facts.histogram.tolist(), labels, ("Pixels", "value"), logarithmic=True
        ),
    }
