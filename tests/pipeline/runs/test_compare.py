"""The page that compares runs."""

from pathlib import Path

from idxpipe.pipeline.runs.compare import compare_page
from tests.pipeline.runs.commands import as_json, command
from tests.pipeline.runs.test_page import Links, trained


def test_the_page_says_what_differs_and_links_to_the_runs(run, root, tmp_path, capsys):
    first, second = run(), run(steps=11)
    page = tmp_path / "pages" / "compared.html"
    words = ("report", first.run_id, "latest", "--root", str(root), "--output", str(page))
    assert as_json(capsys, *words)["runs"] == [first.run_id, second.run_id]
    text = page.read_text()
    for word in (first.run_id, second.run_id, ">steps<", ">10<", ">11<"):
        assert word in text
    found = Links(text).found
    assert len(found) == 2
    for target, record in zip(found, (first, second), strict=True):
        assert (page.parent / target).resolve().parent == Path(record.folder)


def test_curves_of_all_runs_are_in_one_chart(run, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    records = [trained(run(), tmp_path / "a"), trained(run(steps=11), tmp_path / "b")]
    text = compare_page(records, str(tmp_path / "page.html"))
    assert text.count("<polyline") == 2 * 3
    assert text.count("<figure>") == 3
    assert ">A</text>" in text
    assert ">B</text>" in text


def test_one_run_is_nothing_to_compare(run, root, capsys):
    record = run()
    for ids in ([record.run_id], [record.run_id, "latest"]):
        said = command(capsys, "report", *ids, "--root", str(root), code=2).err
        assert "two runs or more" in said
    assert not (root / "comparison.html").exists()


def test_runs_that_do_not_differ_say_so(run, root, capsys):
    record, again = run(), run()
    command(capsys, "report", record.run_id, again.run_id, "--root", str(root))
    assert "Nothing: the same parameters" in (root / "comparison.html").read_text()
