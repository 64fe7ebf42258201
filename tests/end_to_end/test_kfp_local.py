"""The same pipeline.yaml, executed by KFP's own local runner."""

import subprocess
import sys

from tests.idxfiles import make_arrays, write_data_set

PROGRAM = """
import sys
from kfp import components, local
folder = sys.argv[1]
runner = local.SubprocessRunner(use_venv=False)
local.init(runner, pipeline_root=folder + "/out", raise_on_error=True)
pipeline = components.load_component_from_file("pipeline.yaml")
pipeline(data=folder + "/data", train_steps=5, batch_size=16, num_shards=2)
"""


def test_kfp_local_runs_the_committed_file(tmp_path):
    write_data_set(tmp_path / "data", make_arrays(train=200, test=50))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (report,) = (tmp_path / "out").glob("*/evaluate/report.html")
    assert "accuracy" in report.read_text().lower()
    (manifest,) = (tmp_path / "out").glob("*/convert-test/dataset/dataset.json")
    assert manifest.exists()
