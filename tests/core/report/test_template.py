import pytest

from idxpipe.components.core.report import template
from idxpipe.components.core.report.template import _sha256, render

# The example of Content Security Policy Level 3, 8.2: https://www.w3.org/TR/CSP3/
EXAMPLE = "alert('Hello, world.');", "qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng="


def page(folder, text, **values):
    (folder / "page.html").write_text('{% extends "base.html" %}\n' + text)
    return render(str(folder), "page.html", **values)


def test_a_script_is_known_by_its_digest(tmp_path):
    code, digest = EXAMPLE
    assert _sha256(code) == digest
    text = page(tmp_path, f"{{% set script %}}{code}{{% endset %}}")
    assert f"script-src 'sha256-{digest}'" in text
    assert f"<script>{code}</script>" in text


def test_a_page_without_one_runs_none_and_escapes(tmp_path):
    text = page(tmp_path, "{% block body %}{{ word }}{% endblock %}", word="<script>x</script>")
    assert "script-src 'none'" in text
    assert "<script" not in text
    assert "&lt;script&gt;x" in text


@pytest.mark.parametrize("content", [b"", b"j2", None])
def test_damage_to_a_compiled_template_does_no_harm(tmp_path, monkeypatch, content):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    template._environment.cache_clear()
    first = page(tmp_path, "{% block body %}here{% endblock %}")
    kept = list((tmp_path / "cache" / "idxpipe" / "templates").iterdir())
    # The page, and base.html.
    assert len(kept) == 2
    for path in kept:
        whole = path.read_bytes()
        # Behind the beginning that Jinja looks at itself.
        path.write_bytes(whole[: len(whole) // 8] + b"\xff" * 64 if content is None else content)
    template._environment.cache_clear()
    assert page(tmp_path, "{% block body %}here{% endblock %}") == first
    template._environment.cache_clear()
