"""The written pages: complete, inert, self-contained and reproducible."""

import json
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from support.folders import SPEC, Case
from xprun.reports import ReportError, verdict, write_report
from xprun.reports.page.rendering import escape_markdown

Make = Callable[..., Path]

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "$x_1$ | `a` **b**",
    "![x](http://evil.example/a.png)\n# title",
    "</svg><style>*{display:none}</style>",
    "{{ 7 * 7 }}{% raw %}",
    "_under_ [a](b) ~~c~~",
    "=cmd|' /C calc'!A0",
]
SMALL = [Case("SGD", 0.1, [0.8, 0.9]), Case("SGD", 1.0, [0.7, None]), Case("Adam", 0.1, [0.7, 0.8])]


class Tags(HTMLParser):
    """Collects the elements, the references and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def written(folder: Path) -> tuple[str, str]:
    write_report(folder)
    return (folder / "report.html").read_text(encoding="utf-8"), (folder / "report.md").read_text(encoding="utf-8")


def test_a_report_has_every_part(make_folder: Make) -> None:
    folder = make_folder(SMALL)
    paths = write_report(folder)
    assert [path.relative_to(folder).as_posix() for path in paths] == [
        "plots/curve-loss.png",
        "plots/curve-valid.accuracy.png",
        "plots/final.png",
        "plots/sensitivity-optimizer.lr.png",
        "plots/tuning.png",
        "report.md",
        "report.html",
    ]
    assert all(path.stat().st_size for path in paths)
    for page in written(folder):
        for part in ("Ranking", "Learning curves", "Sensitivity", "Runs", "How to read", "Spec", "Environment"):
            assert part in page


def test_the_markdown_ranking_is_a_table_of_values(make_folder: Make) -> None:
    _, markdown = written(make_folder(SMALL))
    assert "| SGD | 1 | 0.8500 | 0.8000 to 0.9000 | 0.0707 | 2 | lr=0.1 | 1 of 4 | 0.0500 |" in markdown
    assert "6 runs" not in markdown.split("## Ranking")[0].replace("6 runs: 5 done, 1 diverged.", "")


def test_every_plot_that_markdown_links_exists(make_folder: Make) -> None:
    folder = make_folder(SMALL)
    _, markdown = written(folder)
    links = re.findall(r"!\[[^\]]+\]\((\S+)\)", markdown)
    assert len(links) == 5
    assert all((folder / link).is_file() for link in links)


def test_hostile_names_are_text_in_html(make_folder: Make) -> None:
    plain = Tags(written(make_folder([Case("SGD", 0.1, [0.9, 0.8]) for _ in HOSTILE], name="plain"))[0])
    page = Tags(written(make_folder([Case(name, 0.1, [0.9, 0.8]) for name in HOSTILE]))[0])
    assert set(page.tags) <= set(plain.tags) | {"circle"}
    assert page.tags.count("style") == page.tags.count("script") == 1
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert all(name in page.text for name in HOSTILE)


def test_hostile_names_are_text_in_markdown(make_folder: Make) -> None:
    _, markdown = written(make_folder([Case(name, 0.1, [0.9, None], {"reason": name}) for name in HOSTILE]))
    body = markdown.split("## Spec")[0]
    assert not re.search(r"<(script|img|style|/svg)", body)
    assert "http://" not in body
    assert "\n# title" not in body
    widths = [len(re.findall(r"(?<!\\)\|", row)) for row in body.splitlines() if row.startswith("|")]
    assert len(set(widths)) <= 5  # the five tables: every row has its table's number of cells


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", r"a\|b"),
        ("a\nb", "a b"),
        ("`x`", r"\`x\`"),
        ("<b>", "&lt;b&gt;"),
        ("*a* _b_", r"\*a\* \_b\_"),
        ("[a](b)", r"\[a\](b)"),
        ("\\|", r"\\\|"),
        ("$x$", r"\$x\$"),
        ("https://a", "https&#58;//a"),
    ],
)
def test_markdown_escapes(text: str, escaped: str) -> None:
    assert escape_markdown(text) == escaped


def test_a_spec_cannot_leave_its_fence(make_folder: Make) -> None:
    folder = make_folder(SMALL)
    (folder / "spec.toml").write_text("# ```\n# <script>\n", encoding="utf-8")
    page, markdown = written(folder)
    assert "````toml\n# ```\n# <script>\n````" in markdown
    assert Tags(page).tags.count("script") == 1


def test_the_page_asks_nobody_for_anything(make_folder: Make) -> None:
    page, _ = written(make_folder(SMALL))
    rest = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page.replace(SPEC.splitlines()[1], ""))
    assert "http" not in rest.replace("http-equiv", "")
    assert "url(" not in rest.replace("url(#", "")
    assert "default-src 'none'" in page
    links = {value for name, value in Tags(page).attributes if name.endswith("href") and value}
    assert {link for link in links if not link.startswith("#")} == {"results.csv", "history.csv"}


def test_the_page_allows_its_own_script_and_style_only(make_folder: Make) -> None:
    page, _ = written(make_folder(SMALL))
    allowed = re.search(r"script-src '(sha256-\S+)'; style-src '(sha256-\S+)'", page)
    inline = re.search(r"<script>(.*)</script>", page, re.DOTALL), re.search(r"<style>(.*)</style>", page, re.DOTALL)
    assert allowed
    for promised, found in zip(allowed.groups(), inline, strict=True):
        assert found
        assert promised == "sha256-" + b64encode(sha256(found[1].encode()).digest()).decode()
    assert not {name for name, _ in Tags(page).attributes} & {"style", "onclick", "onload"}


def test_alternative_texts_hold_the_numbers(make_folder: Make) -> None:
    page, markdown = written(make_folder(SMALL))
    for text in (page, markdown):
        assert "final valid.accuracy against optimizer.lr. Best: SGD 0.85 at 0.1 and Adam 0.75 at 0.1" in text
        assert re.search(r"loss over the steps\. At the end: SGD 0\.\d+ and Adam 0\.\d+", text)


def test_positive_curves_come_on_both_scales(make_folder: Make) -> None:
    page, _ = written(make_folder(SMALL))
    assert len(re.findall(r'class="view" [^>]*>logarithmic<', page)) == 2
    page, _ = written(make_folder([Case("SGD", 0.1, [-0.5, 0.5])], metric="loss", name="negative"))
    assert len(re.findall(r'class="view" [^>]*>logarithmic<', page)) == 1


def test_two_swept_settings_make_a_heat_map(make_folder: Make) -> None:
    cases = [Case("SGD", lr, [lr + m], {"optimizer.momentum": m}) for lr in (0.1, 0.2) for m in (0.0, 0.5)]
    folder = make_folder(cases)
    write_report(folder)
    assert (folder / "plots" / "heat-optimizer.lr-optimizer.momentum.png").is_file()
    assert "Best: SGD 0.7" in (folder / "report.md").read_text(encoding="utf-8")


def test_the_command_that_runs_a_row_again(make_folder: Make) -> None:
    folder = make_folder(SMALL)
    assert "data-command" not in written(folder)[0]
    facts = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    (folder / "environment.json").write_text(json.dumps(facts | {"command": "xprun a.toml"}), encoding="utf-8")
    assert 'data-command="xprun a.toml --only RUN -o runs/RUN"' in written(folder)[0]


def test_the_same_tables_give_the_same_bytes(make_folder: Make) -> None:
    first, second = make_folder(SMALL, name="first"), make_folder(SMALL, name="second")
    for one, other in zip(write_report(first), write_report(second), strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_nothing_is_left_beside_a_report(make_folder: Make) -> None:
    folder = make_folder(SMALL)
    write_report(folder)
    write_report(folder)
    assert not [path for path in folder.rglob("*") if path.name.endswith(".tmp")]


def test_tables_alone_are_enough(make_folder: Make) -> None:
    page, markdown = written(make_folder(SMALL, resolved=False))
    assert "mean loss" in Tags(page).text
    assert "(lower is better)" in markdown
    assert "## Environment" not in markdown


def test_a_metric_that_is_not_there_is_an_error(make_folder: Make) -> None:
    with pytest.raises(ReportError, match=r"'test\.f1', which is not there; it has loss, valid\.accuracy"):
        write_report(make_folder(SMALL, metric="test.f1"))


def test_a_section_that_is_not_there_is_an_error(make_folder: Make) -> None:
    with pytest.raises(ReportError, match=r"compare\.by is 'scheduler'"):
        write_report(make_folder(SMALL, by=["scheduler"]))


@pytest.mark.parametrize("values", [[0.5], [None], [0.5, None]])
def test_a_single_setting_is_reported(make_folder: Make, values: list[float | None]) -> None:
    page, _ = written(make_folder([Case("SGD", 0.1, values)]))
    assert "Sensitivity" not in page


def test_runs_that_failed_at_once_are_reported(make_folder: Make) -> None:
    folder = make_folder([Case("SGD", 0.1, [None])])
    (folder / "history.csv").write_text("run,step,epoch,metric,value\n", encoding="utf-8")
    page, _ = written(folder)
    assert "Learning curves" not in page


CLAIMS = [
    ("a.toml:9:1", "SGD: final.loss <= 1", "ok", "0.25"),
    ("a.toml:12:1", "=SGD | <b>: final.loss <= 0", "FAILED", "0.25 in SGD"),
    ("a.toml:15:1", "Adam: steps = 9", "not judged", "1 of 1 runs failed: x"),
]


@pytest.mark.parametrize(
    ("rows", "sentence", "first"),
    [
        (CLAIMS[:1], "The claim of the spec holds.", "holds | SGD: final.loss &lt;= 1 | 0.25"),
        (CLAIMS[:1] * 2, "All 2 claims of the spec hold.", "holds | SGD"),
        (CLAIMS[:2], "1 of 2 claims of the spec holds; 1 does not.", r"does not hold | =SGD \| &lt;b&gt;: final.loss"),
        (CLAIMS[::2], "of 2 claims of the spec holds; 1 cannot be judged, because a run failed.", "not judged | Adam"),
    ],
)
def test_a_report_tells_whether_the_spec_is_right(
    make_folder: Make, rows: list[tuple[str, ...]], sentence: str, first: str
) -> None:
    folder = make_folder(SMALL)
    table = pd.DataFrame(rows, columns=["place", "claim", "verdict", "found"])
    table.assign(claim=table["claim"].str.replace("^=", "'=", regex=True)).to_csv(folder / "claims.csv", index=False)
    page, markdown = written(folder)
    assert sentence in Tags(page).text
    assert sentence in markdown
    assert f"| {first}" in markdown
    assert markdown.index("## Claims") < markdown.index("## Ranking")
    assert ('id="claims"' in page, "<b>" in page.split("</nav>")[1].split("<h2>Ranking")[0]) == (True, False)


def test_final_parameters_of_a_tiny_model(make_folder: Make) -> None:
    cases = [Case("SGD", 0.1, [0.5], {"param.w": 2.001, "param.b": -0.25})]
    _, markdown = written(make_folder(cases))
    assert "## Final parameters" in markdown
    assert "| SGD | 2.001 | – | -0.2500 | – |" in markdown  # noqa: RUF001


def test_long_tables_say_how_long_they_are(make_folder: Make) -> None:
    page, markdown = written(make_folder([Case("SGD", 0.1 * k, [0.5, None]) for k in range(1, 121)], steps=10))
    assert "The first 200 of 240 rows" in markdown
    assert len(re.findall(r"<td>0000000000\w\w</td>", page)) == 50 + 240
    assert "The first 50 of 120 rows" in page


def test_only_the_best_twelve_are_drawn(make_folder: Make) -> None:
    page, _ = written(make_folder([Case(f"rule {i}", 0.1, [0.5 + i / 100]) for i in range(14)]))
    assert "Only the best 12 of 14 alternatives are drawn." in page


def test_a_folder_that_is_not_finished_is_marked(make_folder: Make) -> None:
    folder = make_folder(SMALL)
    facts = json.loads((folder / "resolved.json").read_text(encoding="utf-8"))
    (folder / "resolved.json").write_text(json.dumps(facts | {"runs": 9}), encoding="utf-8")
    page, markdown = written(folder)
    assert "6 of 9 runs: 5 done, 1 diverged, 3 missing." in markdown
    assert "Not finished: only 6 of 9 planned runs are in the table." in markdown
    assert '<span class="ill">3 missing</span>' in page


def test_the_target_is_a_column_and_a_line(make_folder: Make) -> None:
    page, markdown = written(make_folder(SMALL, target=0.2, baseline="SGD"))
    assert "| SGD | 2 of 2 | 10 | 0.0125 |" in markdown
    assert "## Against SGD" in markdown
    assert "SGD (baseline)" in markdown
    assert "Dotted: the target, 0.2." in page


def test_a_comparison_with_few_seeds_says_so(make_folder: Make) -> None:
    _, markdown = written(make_folder(SMALL, baseline="SGD"))
    assert "exploratory, since settings were chosen on these runs: nothing is tested" in markdown
    _, markdown = written(make_folder([case for case in SMALL if case.lr == 0.1], baseline="SGD", name="few"))
    assert "inconclusive (2 seeds; 6 are needed)" in markdown


def test_seconds_of_runs_trained_together_are_amortised(make_folder: Make) -> None:
    cases = [Case("SGD", 0.1, [0.9, 0.8], {"together": 2})]
    _, markdown = written(make_folder(cases, target=0.2))
    assert "| seconds, amortised |" in markdown
    assert "median seconds" not in markdown


def test_the_verdict_needs_no_history(make_folder: Make) -> None:
    folder = make_folder(SMALL)
    (folder / "history.csv").unlink()
    assert verdict(folder).startswith("Exploratory: SGD at lr=0.1 has the best mean valid.accuracy, 0.850 ± 0.071")


def test_importing_reports_is_cheap() -> None:
    code = "import sys, xprun.reports; print([m for m in ('pandas', 'matplotlib', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
