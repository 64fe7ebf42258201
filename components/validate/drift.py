"""A data set against an earlier validation of it, or of one that it should be like."""

from collections.abc import Iterator
from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.codes import Code
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.integrity.sealed import unseal
from idxpipe.components.core.shapes import format_shape

# Reports of version 2 may be older than their checksums.
_SEALED_SINCE = 3


def read_baseline(uri: str, newest: int) -> dict[str, Any]:
    """Read an earlier validation's report.

    Args:
        uri: Where it is.
        newest: The newest `schema_version` that is understood.

    Raises:
        DataError: If there is no such file, or it is no report.
        UsageError: If a newer version wrote it.
    """
    try:
        report = unseal(storage.read_document(uri, storage.REPORT_BYTES), _SEALED_SINCE)
        known = {name: report[name] for name in ("image_shape", "image_dtype", "num_classes")}
        counts = {
            name: (report.get("splits") or {}).get(name, {}).get("class_counts")
            for name in ("train", "test")
        }
        known["class_counts"] = {name: _checked(found) for name, found in counts.items()}
        version = int(report["schema_version"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            "not the report of a validation, or no longer what was written",
            where=uri,
            expected="the JSON that validate writes",
            found=str(error),
            remedy="give the report of an earlier validation as data_baseline",
        ) from None
    if version > newest:
        raise UsageError(
            "report was written by a newer version",
            where=uri,
            expected=f"schema_version of at most {newest}",
            found=version,
            remedy="update idxpipe, or validate the baseline again",
        )
    return known


def drift(
    report: dict[str, Any], baseline: dict[str, Any], uri: str, most: float
) -> Iterator[DataError]:
    """Yield in what a data set differs from the baseline.

    Args:
        report: Of the data set.
        baseline: From `read_baseline`.
        uri: Where the baseline is.
        most: How far a class's share of its split may have moved.
    """
    for name, what, code in (
        ("image_shape", "image shape", Code.BASELINE_SHAPE),
        ("image_dtype", "image type", Code.BASELINE_TYPE),
        ("num_classes", "number of classes", Code.BASELINE_CLASSES),
    ):
        old, new = baseline[name], report[name]
        if None not in (old, new) and old != new:
            yield DataError(
                f"{what} differs from the baseline's",
                where=report["files"]["train_images"]["uri"],
                expected=f"{_shown(old)}, as in {uri}",
                found=_shown(new),
                remedy="take the data that was meant, or another data_baseline",
                code=code,
            )
    for split in ("train", "test"):
        old, new = baseline["class_counts"][split], report["splits"][split]["class_counts"]
        if not old or not new or not sum(old) or not sum(new):
            continue
        classes = range(max(len(old), len(new)))
        moved = {c: _share(new, c) - _share(old, c) for c in classes}
        far = [c for c in classes if abs(moved[c]) > most]
        if far:
            worst = max(far, key=lambda c: abs(moved[c]))
            yield DataError(
                "class shares differ from the baseline's",
                where=report["files"][f"{split}_labels"]["uri"],
                expected=f"class {worst} at {_percent(old, worst)}, at most {100 * most:g} points "
                f"more or less, as in {uri}",
                found=f"{_percent(new, worst)}; {len(far)} of {len(classes)} classes moved so far",
                remedy="look into how the data was collected, raise max_share_change, or take "
                "another data_baseline",
                code=Code.BASELINE_SHARES,
            )


def _checked(counts: Any) -> list[int] | None:
    if counts is None or (
        isinstance(counts, list) and all(type(count) is int and count >= 0 for count in counts)
    ):
        return counts
    raise ValueError(counts)


def _share(counts: list[int], label: int) -> float:
    return counts[label] / sum(counts) if label < len(counts) else 0.0


def _percent(counts: list[int], label: int) -> str:
    return f"{100 * _share(counts, label):.1f} %"


def _shown(value: Any) -> str:
    return format_shape(tuple(value)) if isinstance(value, list) else str(value)
