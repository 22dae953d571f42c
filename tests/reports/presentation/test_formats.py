"""LaTeX and PDF: what a paper needs, inert and reproducible."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.folders import Case
from xprun.reports import read_formats, write_report
from xprun.reports.page.latex import escape_latex
from xprun.reports.presentation.formats import FORMATS

Make = Callable[..., Path]
SMALL = [Case("SGD", 0.1, [0.8, 0.9]), Case("SGD", 1.0, [0.7, None]), Case("A_dam & \\x{50%}", 0.1, [0.7, 0.8])]


def test_formats_are_named_and_others_are_refused() -> None:
    assert read_formats("html,md") == ("html", "md")
    assert read_formats(" pdf , pdf") == ("pdf",)
    with pytest.raises(ValueError, match="there is no format 'ps'; there are html, md, latex, pdf"):
        read_formats("html,ps")


def test_only_what_was_asked_for_is_written(make_folder: Make) -> None:
    for name, suffixes in (("html", {".html"}), ("md", {".md", ".png"}), ("latex", {".tex"}), ("pdf", {".pdf"})):
        assert {path.suffix for path in write_report(make_folder(SMALL[:1], name=name), (name,))} == suffixes


def test_a_table_for_a_paper(make_folder: Make) -> None:
    folder = make_folder(SMALL)
    write_report(folder, ("latex",))
    lines = (folder / "tables" / "ranking.tex").read_text(encoding="utf-8").splitlines()
    assert (
        lines[0]
        == "% Each alternative (a labelled optimizer) at its best setting, by final valid.accuracy (higher is better)"
    )
    assert lines[1] == r"\begin{tabular}{lrrrrrlrr}"
    assert lines[2:5:2] == [r"\toprule", r"\midrule"]
    assert lines[5].startswith(r"SGD & 1 & 0.8500 & 0.8000 to 0.9000 & 0.0707 & 2 & lr=0.1 & 1 of 4 &")
    assert lines[6].startswith(r"A\_dam \& \textbackslash{}x\{50\%\} & 2 & 0.7500")
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]
    assert all(len(re.findall(r"(?<!\\)&", line)) == 8 for line in lines if line.endswith(r"\\"))


def test_every_table_has_a_file(make_folder: Make) -> None:
    folder = make_folder(SMALL, baseline="SGD", target=0.2)
    names = {path.name for path in write_report(folder, ("latex",))}
    assert {"ranking.tex", "baseline.tex", "target.tex", "sensitivity.tex", "sensitivity-2.tex"} <= names


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("50% & $x_1$ #1", r"50\% \& \$x\_1\$ \#1"),
        (r"\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("a~b^c", r"a\textasciitilde{}b\textasciicircum{}c"),
        ("0.9 ± 0.1", r"0.9 $\pm$ 0.1"),
        ("a\n\nb", "a b"),
    ],
)
def test_latex_escapes(text: str, escaped: str) -> None:
    assert escape_latex(text) == escaped


def test_the_same_tables_give_the_same_bytes_in_every_format(
    make_folder: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setattr("xprun.reports.page.report_page.DETAILED", 1)  # of six problems
    cases = [Case(f"rule {k}", 0.1, [k / 9, k / 8], {"data": f"set {i}"}) for i in range(6) for k in range(3)]
    folders = [make_folder(cases, name=name, steps=10) for name in ("first", "second")]
    first, second = (write_report(folder, tuple(FORMATS)) for folder in folders)
    assert {path.suffix for path in first} == {".html", ".md", ".png", ".pdf", ".tex"}
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_a_pdf_has_a_title_and_no_date(make_folder: Make) -> None:
    folder = make_folder(SMALL[:1])
    write_report(folder, ("pdf",))
    content = (folder / "plots" / "curve-loss.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert b"CreationDate" not in content
    assert b"(loss over the steps)" in content
