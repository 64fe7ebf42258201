"""What tells whether the files of a finished task are still what they were: their CRC32C.

A dataset's shards are vouched for by its manifest, and read against it; here they are only hashed
for whoever asks for that. So are the checkpoints of train: TensorFlow checks what it reads of them,
and no training begins anew for a bit of an old one that nobody needs.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import MANIFEST, VALIDATION, Dataset
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.core.integrity.digest import CARD
from idxpipe.components.core.model import read_card
from idxpipe.pipeline.spec.artifact import Artifact

# What a run reads of an artifact that it takes from the cache, at most.
READ_BYTES = 256 << 20
_BLOCK = 1 << 20
_QUESTIONS_AT_A_TIME = 8
_UNHURRIED = ("checkpoints", "logs")
_MANIFESTS = (MANIFEST, f"{VALIDATION}/{MANIFEST}")

Checksums = Mapping[str, int]


def checksum(uri: str) -> int:
    """Return the CRC32C of a file: the store's own where it keeps one, else of what is read.

    Raises:
        IdxpipeError: If it cannot be read.
    """
    known = storage.stored_crc32c(uri)
    if known is not None:
        return known
    found = Fingerprint()
    with storage.open_read(uri) as stream:
        while block := stream.read(_BLOCK):
            found = found.extend(block)
    return found.crc32c


def to_record(artifact: Artifact, files: Mapping[str, int]) -> dict[str, int]:
    """Return the checksums that a finished task keeps of an artifact's files, by name.

    Args:
        artifact: The artifact.
        files: Size of each of its files.
    """
    vouched = _shards(artifact, files)
    names = [name for name in files if name not in vouched]
    if sum(files[name] for name in names) > READ_BYTES:
        # Manifests and cards, which tell of the others.
        names = [name for name in names if files[name] <= _BLOCK]
    return _hash(artifact.uri, names)


def damaged(
    name: str, artifact: Artifact, files: Mapping[str, int], recorded: Checksums, *, verify: bool
) -> list[str]:
    """Return the files of an artifact that are not what they were, though as long.

    Args:
        name: Of the output.
        artifact: The artifact.
        files: The files to look at, with their sizes.
        recorded: From `to_record`; of results of earlier versions there is nothing.
        verify: Look at what is vouched for, too, and at what a run does not hurry to see.

    Raises:
        IdxpipeError: If one cannot be read.
    """
    if name in _UNHURRIED and not verify:
        return []
    known = {file: crc for file, crc in recorded.items() if file in files}
    if verify:
        known = {**_shards(artifact, files), **_of_model(artifact, files), **known}
    found = _hash(artifact.uri, known, read=verify)
    return [file for file, crc in known.items() if found.get(file, crc) != crc]


def _shards(artifact: Artifact, files: Mapping[str, int]) -> dict[str, int]:
    """Return the checksums that the manifests of a dataset list."""
    found = {}
    for manifest in _MANIFESTS:
        folder = manifest.removesuffix(MANIFEST)
        with suppress(IdxpipeError):
            if manifest in files:
                uri = storage.join(artifact.uri, manifest)
                dataset = Dataset.loads(storage.read_document(uri), uri)
                found.update({f"{folder}{shard.name}": shard.crc32c for shard in dataset.shards})
    return {name: crc for name, crc in found.items() if name in files}


def _of_model(artifact: Artifact, files: Mapping[str, int]) -> dict[str, int]:
    """Return the checksums that the card of a model lists."""
    with suppress(IdxpipeError):
        if CARD in files:
            digests = read_card(artifact.uri).digests
            return {name: one.crc32c for name, one in digests.items() if name in files}
    return {}


def _hash(uri: str, names: Iterable[str], *, read: bool = False) -> dict[str, int]:
    """Return the checksum of each file; of remote ones without `read` only what the store knows."""
    local = storage.is_local(uri)

    def one(name: str) -> int | None:
        place = storage.join(uri, name) if name else uri
        return checksum(place) if read or local else storage.stored_crc32c(place)

    chosen = list(names)
    with ThreadPoolExecutor(1 if local else _QUESTIONS_AT_A_TIME) as pool:
        found = dict(zip(chosen, pool.map(one, chosen), strict=True))
    return {name: crc for name, crc in found.items() if crc is not None}
