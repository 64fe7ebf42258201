"""The targets of `make fuzz` on what they begin with, some damage to it, and all that was found."""

import random
from pathlib import Path

import pytest

from tests.core.idx.test_fuzz import mutate
from tests.fuzz.targets import TARGETS

FINDINGS = sorted(Path(__file__).parent.glob("findings/*/*"))
MUTATIONS = 300


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_whole_is_read_to_the_end(name):
    look, seeds = TARGETS[name]
    assert any(look(seed) for seed in seeds())


@pytest.mark.parametrize("name", TARGETS)
def test_damage_comes_to_something_or_is_refused(name):
    look, seeds = TARGETS[name]
    rng = random.Random(name)
    begun = list(seeds())
    read = [look(mutate(rng.choice(begun), rng)) for _ in range(MUTATIONS)]
    assert not all(read)


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_stays_mended(path):
    look, _ = TARGETS[path.parent.name]
    look(path.read_bytes())
