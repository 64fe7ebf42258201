"""Fuzzing guided by coverage: `python -m tests.fuzz TARGET SECONDS`; libFuzzer by atheris.

What made a target fail is written to .fuzz/TARGET/, and belongs into tests/fuzz/findings/TARGET/,
where each run of the tests reads it. What covered new code is kept in .fuzz/TARGET/corpus, and
begun with.
"""

import hashlib
import sys
from pathlib import Path

import atheris

# Parts of NumPy, Pillow or a YAML parser that is written in C are theirs to fuzz.
with atheris.instrument_imports(include=["idxpipe.components", "idxpipe.pipeline", "PIL"]):
    from tests.fuzz.targets import TARGETS

    for look, seeds in TARGETS.values():
        for seed in seeds():
            # Modules that are imported when they are needed.
            look(seed)

# An input may take no longer, and no more memory in all.
LIMITS = ["-timeout=10", "-rss_limit_mb=2048", "-malloc_limit_mb=1024", "-max_len=8192"]


def main(name, seconds):
    look, seeds = TARGETS[name]
    folder = Path(".fuzz", name)
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in seeds():
        (corpus / hashlib.sha256(seed).hexdigest()[:20]).write_bytes(seed)
    words = [*LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *words, "-print_final_stats=1", "-verbosity=0", str(corpus)], look)
    atheris.Fuzz()


main(*sys.argv[1:])
