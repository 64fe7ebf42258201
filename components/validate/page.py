"""The validation as one self-contained page: no script, no network, all images inside."""

from html import escape
from importlib import resources
from string import Template
from typing import Any

from idxpipe import __version__
from idxpipe.components.core.shapes import format_shape
from idxpipe.components.validate.charts import bars
from idxpipe.components.validate.config import FULL
from idxpipe.components.validate.finding import Finding
from idxpipe.components.validate.labelled import SAMPLED_CLASSES, SAMPLES_PER_CLASS
from idxpipe.components.validate.pictures import picture, strip
from idxpipe.components.validate.pixels import PixelFacts
from idxpipe.components.validate.split import Split
from idxpipe.components.validate.validation import Validation

_TEMPLATE = "page.html"
_KINDS = {"train": "training", "test": "test"}
_TITLES = {"train": "Training split", "test": "Test split"}
_MOST_BARS = 200


def render(found: Validation) -> str:
    """Return the page of a data set, in order or not."""
    template = resources.files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8")
    errors = sum(finding.is_error for finding in found.findings)
    warnings = len(found.findings) - errors
    verdict = _number(errors, "error") if errors else "In order"
    return Template(template).substitute(
        verdict=verdict,
        state="bad" if errors else "good",
        beside=escape(_beside(found, warnings)),
        findings="\n".join(map(_finding, found.findings)) or "<p>None.</p>",
        skipped=_skipped(found),
        facts=_facts(found),
        files="\n".join(_file(role, entry) for role, entry in found.to_json()["files"].items()),
        splits="\n".join(_split(found, split) for split in found.splits.values()),
        version=escape(__version__),
    )


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _beside(found: Validation, warnings: int) -> str:
    images = [
        f"{split.images.header.records:,} {_KINDS[split.name]} images"
        for split in found.splits.values()
        if split.images.fits
    ]
    return " · ".join([_number(warnings, "warning"), *images])


def _finding(finding: Finding) -> str:
    place = finding.uri or ""
    if finding.offset is not None:
        place += f", byte {finding.offset:,}"
    rows = (("expected", finding.expected), ("found", finding.found), ("to do", finding.remedy))
    details = "".join(
        f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in rows if text
    )
    return (
        f'<article class="{finding.severity}"><h3><b>{finding.severity}</b> '
        f"{escape(finding.message)} <code>{finding.code}</code></h3>"
        f'<p class="place">{escape(place)}</p><dl>{details}</dl></article>'
    )


def _skipped(found: Validation) -> str:
    if found.depth == FULL:
        return ""
    unread = [s.name for s in found.splits.values() if s.class_counts is None]
    packed = any(file.compressed and not file.fingerprint for file in found.files.values())
    gzip = "the end of gzip files, " if packed else ""
    labels = f"the labels of {' and '.join(unread)}, " if unread else ""
    return (
        '<section><h2>Not looked at</h2><p class="last">At this depth, <code>headers</code>, only '
        "headers, lengths and the checksums that a store keeps were looked at. Nothing is known of "
        f"{gzip}{labels}the pixels, duplicates, and images that are in both splits; "
        "<code>depth=full</code> looks at every byte.</p></section>"
    )


def _facts(found: Validation) -> str:
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
    return _pairs(rows)


def _file(role: str, entry: dict[str, Any]) -> str:
    shape = entry["shape"]
    what = "no IDX file" if shape is None else f"{format_shape(tuple(shape[:8]))} {entry['dtype']}"
    packed = ", gzip" if entry["compressed"] else ""
    taken = entry["fingerprint"] or "not taken"
    return _pairs(
        [(role.replace("_", " "), what + packed), ("fingerprint", taken), ("URI", entry["uri"])]
    )


def _split(found: Validation, split: Split) -> str:
    parts = [_counts(found, split), _samples(found, split), _pixels(found, split)]
    if not any(parts):
        return ""
    return f"<section><h2>{_TITLES[split.name]}</h2>{''.join(parts)}</section>"


def _counts(found: Validation, split: Split) -> str:
    if not split.class_counts:
        return ""
    counts: list[int] = found.to_json()["splits"][split.name]["class_counts"]
    shown = counts[:_MOST_BARS]
    note = f"<p>The first {_MOST_BARS} of {len(counts):,}.</p>" if len(counts) > len(shown) else ""
    labels = [str(label) for label in range(len(shown))]
    chart = bars(f"Examples per class, {split.name}", shown, labels, "class")
    return f"<h3>Examples per class</h3>{note}{chart}"


def _samples(found: Validation, split: Split) -> str:
    facts = split.pixels
    if not facts or not facts.samples:
        return ""
    rows = []
    for label, numbers in sorted(split.labelled.first.items()) if split.labelled else []:
        samples = [facts.samples[number] for number in numbers if number in facts.samples]
        if samples:
            source = strip(samples, SAMPLES_PER_CLASS, facts, found.config.transposed)
            rows.append(
                f'<li><b>{label}</b><img src="{source}" alt="examples of class {label}"></li>'
            )
    if not rows:
        samples = [facts.samples[number] for number in sorted(facts.samples)]
        for start in range(0, len(samples), SAMPLES_PER_CLASS):
            part = samples[start : start + SAMPLES_PER_CLASS]
            source = strip(part, SAMPLES_PER_CLASS, facts, found.config.transposed)
            rows.append(f'<li><img src="{source}" alt="images from number {start} on"></li>')
    more = len(split.class_counts or []) > SAMPLED_CLASSES
    note = f" of the first {SAMPLED_CLASSES} classes" if more else ""
    return f'<h3>First examples{note}</h3><ul class="samples">{"".join(rows)}</ul>'


def _pixels(found: Validation, split: Split) -> str:
    facts = split.pixels
    if not facts:
        return ""
    figures = found.to_json()["splits"][split.name]["pixels"]
    sampled = facts.averaged < facts.images
    of = f"{facts.averaged:,} of {facts.images:,} images" if sampled else "all images"
    rows = [
        ("Smallest pixel", f"{facts.minimum:g}"),
        ("Largest pixel", f"{facts.maximum:g}"),
        ("Mean", f"{figures['mean']:g}"),
        ("Standard deviation", f"{figures['std']:g}"),
    ]
    if figures["compared"] < facts.images:
        rows.append(("Compared for duplicates", f"the first {figures['compared']:,}"))
    turned = found.config.transposed
    deviation = float(facts.std.max()) if facts.std.size else 0.0
    mean = picture(facts.mean, facts.minimum, facts.maximum, turned)
    return (
        f"<h3>Pixels</h3><dl>{_pairs(rows, wrap=False)}</dl>"
        f'<div class="pair"><figure><img src="{mean}" alt="mean image">'
        f"<figcaption>Mean of {of}</figcaption></figure>"
        f'<figure><img src="{picture(facts.std, 0.0, deviation, turned)}" '
        'alt="standard deviation"><figcaption>Standard deviation, brightest at '
        f"{deviation:.4g}</figcaption></figure></div>{_histogram(split.name, facts)}"
    )


def _histogram(name: str, facts: PixelFacts) -> str:
    edges = facts.edges.tolist()
    labels = [f"{edge:.3g}" for edge in edges[:-1]]
    chart = bars(f"Pixels by value, {name}", facts.histogram.tolist(), labels, "from", True)
    return f"<h3>Pixels by value, of a sample, logarithmic</h3>{chart}"


def _pairs(rows: list[tuple[str, str]], wrap: bool = True) -> str:
    inside = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows
    )
    return f"<dl>{inside}</dl>" if wrap else inside
