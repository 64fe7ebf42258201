"""The session of docs/runs.md: every line, one after the other, as a shell runs them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.idxfiles import write_data_set

pytestmark = pytest.mark.slow

AXE = "axe-core@4.14.1"
# Deque's checks of WCAG 2.1 A and AA, run by the browser on the page itself.
PROBE = """<script>{axe}</script><script>
axe.run({{runOnly: ["wcag2a", "wcag2aa", "wcag21aa"]}}).then((found) => {{
  document.body.innerHTML = "<pre id=found></pre>";
  document.getElementById("found").textContent = JSON.stringify(
    found.violations.map((v) => [v.id, v.nodes.map((n) => n.target + ": " + n.failureSummary)]));
}})</script></body>"""

PAGE = Path("docs/runs.md")


def session():
    """Return the commands of the first section."""
    text = PAGE.read_text().partition("## Pages")[0]
    return re.findall(r"^ {4}(idxpipe .*)$", text, re.MULTILINE)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Run the session; return its folder, and what each line said."""
    tmp_path = tmp_path_factory.mktemp("session")
    write_data_set(tmp_path / "data" / "mnist", gz=True)
    shutil.copy("pipeline.yaml", tmp_path)
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    said = {}
    for line in session():
        done = subprocess.run(
            ["bash", "-c", line],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        said[line] = done.stdout + done.stderr
    return tmp_path, said


def test_every_line_of_the_session_runs(done):
    _, said = done
    assert len(said) >= 18
    plan = said["idxpipe run --set train_steps=60 --set learning_rate=0.02 --plan"]
    assert "learning_rate the recipe's -> 0.02" in plan
    run = said["idxpipe run --set train_steps=60 --set learning_rate=0.02"]
    assert "runs: learning_rate the recipe's -> 0.02" in run
    assert "top_k" in said["idxpipe diff latest~2 latest"]
    assert "pinned" in said["idxpipe pin latest"]
    assert "freed" in said["idxpipe clean --keep-last 2 --failed --yes"]


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """Return axe-core's source."""
    if not shutil.which("chromium") or not shutil.which("npm"):
        pytest.skip("needs chromium and npm")
    folder = tmp_path_factory.mktemp("axe")
    fetched = subprocess.run(
        ["npm", "pack", "--silent", AXE], cwd=folder, check=False, capture_output=True
    )
    if fetched.returncode:
        pytest.skip(f"{AXE} cannot be fetched")
    (archive,) = folder.glob("*.tgz")
    shutil.unpack_archive(archive, folder)
    return (folder / "package" / "axe.min.js").read_text().replace("</script", "<\\/script")


@pytest.mark.parametrize("scheme", [(), ("--force-dark-mode",)])
def test_every_page_is_accessible(done, axe, tmp_path, scheme):
    folder = done[0] / "out"
    newest = folder / "latest"
    pages = [folder / "index.html", folder / "comparison.html"]
    pages += [*(newest / n for n in ("index.html", "data.html"))]
    pages += sorted(folder.glob("artifacts/evaluate/*/report.html"))[:1]
    browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", *scheme]
    for page in pages:
        probed = tmp_path / "page.html"
        probed.write_text(page.read_text().replace("</body>", PROBE.format(axe=axe)))
        shown = subprocess.run(
            [*browser, "--virtual-time-budget=20000", "--dump-dom", probed.as_uri()],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        (found,) = re.findall(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)
        assert found == "[]", page
