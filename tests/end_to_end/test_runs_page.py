"""The session of docs/runs.md: every line, one after the other, as a shell runs them."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from idxpipe.pipeline.runs.listing import rows
from idxpipe.pipeline.state import load
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


SWEEP = "idxpipe sweep"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Run the session; return its folder, what each line said, and the runs of the sweep."""
    tmp_path = tmp_path_factory.mktemp("session")
    write_data_set(tmp_path / "data" / "mnist", gz=True)
    shutil.copy("pipeline.yaml", tmp_path)
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])

    def run(line):
        done = subprocess.run(
            ["bash", "-c", line],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done

    said, swept = {}, {}
    for line in session():
        found = run(line)
        said[line] = found.stdout + found.stderr
        if line.startswith(SWEEP):
            swept["runs"] = [row.record for row in rows(str(tmp_path / "out"))][:5]
            swept["again"] = json.loads(run(f"{line} --json").stdout)
            trials = [trial["run"] for trial in swept["again"]["trials"]]
            swept["trials"] = [load(str(tmp_path / "out"), run_id) for run_id in trials]
    return tmp_path, said, swept


def test_every_line_of_the_session_runs(done):
    _, said, _ = done
    assert len(said) >= 18
    plan = said["idxpipe run --set train_steps=20 --set learning_rate=0.02 --plan"]
    assert "learning_rate 0.05 (seed) -> 0.02" in plan
    run = said["idxpipe run --set train_steps=20 --set learning_rate=0.02"]
    assert "runs: learning_rate 0.05 (seed) -> 0.02" in run
    assert "top_k" in said["idxpipe diff latest~2 latest"]
    assert "pinned" in said["idxpipe pin latest"]
    assert "freed" in said["idxpipe clean --keep-last 2 --failed --yes"]


def test_a_sweep_shares_the_conversion_and_looks_at_the_test_set_once(done):
    _, said, swept = done
    (line,) = (line for line in said if line.startswith(SWEEP))
    assert "test accuracy of the best, looked at once" in said[line]
    last, *trials = swept["runs"]
    assert len(trials) == 4
    statuses = [str(trial.tasks["convert-train"].status) for trial in reversed(trials)]
    assert statuses == ["succeeded", *["cached"] * 3]
    assert not any("evaluate" in trial.tasks for trial in trials)
    assert last.tasks["train"].status == "cached"
    assert last.tasks["evaluate"].status == "succeeded"
    # Again: nothing is trained, and the same one is chosen.
    assert {str(trial.tasks["train"].status) for trial in swept["trials"]} == {"cached"}
    board = swept["again"]["leaderboard"]
    assert [len(standing["runs"]) for standing in board] == [2, 2]
    chosen = swept["again"]["best"]["parameters"]
    assert chosen["learning_rate"] == float(board[0]["parameters"]["learning_rate"])
    assert chosen == last.parameters


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
        # The policy would keep the probe, too, from running.
        text = re.sub(r"<meta http-equiv=.*>", "", page.read_text())
        shown = dom(browser, tmp_path, text.replace("</body>", PROBE.format(axe=axe)))
        (found,) = re.findall(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)
        assert found == "[]", page


def dom(browser, folder, text):
    """Return a page as the browser has it after all scripts."""
    page = folder / "page.html"
    page.write_text(text)
    command = [*browser, "--virtual-time-budget=20000", "--dump-dom", page.as_uri()]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
def test_trust_16_a_page_runs_its_own_script_and_no_other(done, tmp_path):
    browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu"]
    text = (done[0] / "out" / "index.html").read_text()
    click = "document.querySelector('#runs thead button').click();"
    foreign = (
        "<script>document.title = 'foreign'</script><img src=x onerror=\"document.title='img'\">"
    )
    shown = dom(browser, tmp_path, text.replace("</body>", f"{foreign}</body>"))
    assert "<title>foreign" not in shown
    assert "<title>img" not in shown
    (page,) = re.findall(r"script-src ('sha256-[^']+')", text)
    allowed = text.replace(page, f"{page} 'unsafe-hashes' 'sha256-{digest(click)}'")
    shown = dom(browser, tmp_path, allowed.replace("</body>", f"<script>{click}</script></body>"))
    assert 'aria-sort="descending"' in shown


def digest(code):
    return base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
