"""Doctor's look at a world that tests break."""

import pytest

from idxpipe.components.core.errors import SetupError
from idxpipe.components.core.idx.files import DataConfig
from idxpipe.pipeline.preflight.check import failures, require
from idxpipe.pipeline.preflight.doctor import Plan, preflight
from idxpipe.pipeline.vertex.request import Place
from tests.fakes.google import ACCOUNT, BUCKET, DIGEST, IMAGE, PROJECT, REGION

QUOTA = "custom_model_training_tpu_v5e"


def look(**changes):
    values = {
        "place": Place(PROJECT, REGION),
        "root": f"gs://{BUCKET}/runs",
        "service_account": ACCOUNT,
    }
    if "data" in changes:
        changes["data"] = DataConfig(data=changes["data"])
    return preflight(Plan(**values | changes))


def pipeline_file(tmp_path, image=f"{IMAGE}@{DIGEST}", name="tpu-v5e-4"):
    """A compiled pipeline for another image."""
    with open(f"tests/pipeline/golden/{name}.yaml") as file:
        text = file.read()
    for old in ("idxpipe-train:golden", "idxpipe:0.1.0-python3.11"):
        text = text.replace(old, image)
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return str(path)


def the(checks, part):
    (found,) = [check for check in checks if part in check.what]
    return found


def fails_with_its_fix(google, damage, what, found, fix):
    """Break the world and check that one line says so, with what to do."""
    damage(google)
    checks = look()
    (check,) = [c for c in failures(checks) if what in c.what]
    assert found in check.found
    assert fix in check.fix
    assert "\n" not in str(check)
    with pytest.raises(SetupError, match="checks before a run failed") as caught:
        require(checks)
    assert check.fix in str(caught.value)
