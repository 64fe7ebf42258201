"""The data set: four files by name, each of which is what its header says."""

import shlex

from idxpipe.components.core import storage
from idxpipe.components.core.config import flag
from idxpipe.components.core.errors import DataError, IdxpipeError, SetupError
from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.core.idx.checks import (
    IdxFile,
    check_images,
    check_labels,
    check_pair,
    read_header,
    scan,
)
from idxpipe.components.core.idx.files import ROLES, DataConfig, DataFiles, find_files
from idxpipe.pipeline.preflight.check import Check, fail, ok, summary, unknown

# Larger .gz files are not fetched for their fingerprints; for plain ones the store has checksums.
SMALL_BYTES = 64 * 2**20


def check_data(data: DataConfig) -> Check:
    """Check that the files are there, readable and of the right kind."""
    uris = data.uris
    what = f"data {', '.join(uris)}"
    local = [uri for uri in uris if storage.is_local(uri)]
    if local:
        fix = f"gcloud storage cp -r {shlex.join(local)} gs://BUCKET/data"
        return fail(what, "is on this machine, where Vertex AI cannot read it", fix)
    flags = [word for name, uri in data.to_json().items() if uri for word in (flag(name), uri)]
    try:
        files = find_files(data)
        found = {role: _look(role, getattr(files, role), _small(files)) for role in ROLES}
        for split in ("train", "test"):
            check_pair(found[f"{split}_images"], found[f"{split}_labels"])
    except (DataError, SetupError) as error:
        fix = f"idxpipe validate {shlex.join(flags)}"
        if isinstance(error, SetupError):
            fix = error.remedy or fix
        return fail(what, f"{error.where}: {summary(error)}", fix)
    except IdxpipeError as error:
        return unknown(what, summary(error), error.remedy or "")
    header = found["train_images"].header
    prints = [file.fingerprint for file in found.values()]
    taken = all(each.size for each in prints)
    known = ", ".join(map(str, prints)) if taken else "not taken, the .gz files are large"
    shape = "x".join(map(str, header.record_shape))
    count = f"{header.records} + {found['test_images'].header.records}"
    return ok(what, f"{count} images of {shape}, fingerprints {known}")


def _small(files: DataFiles) -> bool:
    return sum(storage.size(getattr(files, role)) for role in ROLES) <= SMALL_BYTES


def _look(role: str, uri: str, small: bool) -> IdxFile:
    check_header = check_images(None) if role.endswith("images") else check_labels
    if small or not uri.endswith(".gz"):
        return scan(uri, check_header)
    header = read_header(uri)
    check_header(uri, header)
    return IdxFile(uri, header, True, Fingerprint())
