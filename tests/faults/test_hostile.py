"""Whatever names are and files hold: output stays in its folder, texts stay texts, and no code in data is run."""

from __future__ import annotations

import csv
import json
import os
import pickle
import re
import shutil
import sqlite3
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import torch
from click.testing import CliRunner, Result
from support.stored_outcomes import content, outcome
from xprun.reports import ReportError, write_report
from xprun.reports.data.results_folder import read_tables
from xprun.runner.cli.main import main
from xprun.runner.store.database import TABLES
from xprun.runner.store.export_cache import export
from xprun.runner.store.folder_lock import InUseError, hold
from xprun.runner.store.records import Record
from xprun.runner.store.recovery import read_store
from xprun.runner.store.run_store import Store

Write = Callable[..., Path]

NAMES = [
    "../../../../escaped", "/escaped", "..", ".", "CON", "NUL", "aux.txt", "a\\b\\n", "C:\\escaped", "~/escaped", " ",
    "x" * 10_000,
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)",
    "</pre></svg><style>*{}</style>",
    "{{ 7 * 7 }}{% raw %}", "{0.__class__} %s %n $HOME `id` $(id) ; rm", "[bold red]x[/] :smile:", "_hidden", "it's",
    "| a | [x](javascript:alert(1)) **b** `c`", "two\nlines", "a\ttab",
    "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1)", "\t=1+1", "'=1", 'a,"b";c', "nan", "null", "true", "007", "1e5",
    "$\\frac{", "$x$ and $y^2$", "\\input{/etc/passwd}%&_#~^{}", "\ufeffbom", "שלום", "🤖", "\u200fmark", "a\u0301",
    "\ufdd0", "\xa0", "#", "__proto__",
]  # fmt: skip
CONTROLS = [
    "\x00",
    "\x07",
    "\x08",
    "\r",
    "\x1b[31m",
    "\x1b]0;title\x07",
    "\x7f",
    "\x9b31m",
    "\u2028",
    "\u202e",
    "\u2066",
]
PLUGIN = """
from xprun.plugins import optimizer

@optimizer("<script>=../rule</script>")
def rule(w, g, *, lr=0.1, mode: str = ""):
    "A rule \\x1b[31m<script>"
    if mode == "break":
        raise ValueError("no \\x1b]0;title\\x07 <script> \\u202e \\x00 =1")
    return w - lr * g
"""


@pytest.fixture
def xprun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return a function that runs the command in an empty folder of the test's, and sees that the terminal is safe."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: str | Path) -> Result:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert all(c.isprintable() or c in "\n\t" for c in result.output), repr(result.output)
        return result

    return run


def grid(names: list[str]) -> dict[str, Any]:
    """Return a spec in which everything that has a name has one of these."""
    rules = [{"name": "scratch.gd", "lr": 0.01 * (i + 1), "label": name} for i, name in enumerate(names)]
    swept = {"name": "<script>=../rule</script>", "mode": {"grid": ["break", *names[:3]]}}
    return {
        "name": names[0],
        "title": names[-1],
        "data": {"name": "line", "samples": 20, "valid": 0.2, "batch_size": "full", "label": names[1]},
        "model": {"name": "linear", "label": names[2]},
        "loss": {"name": "MSELoss", "label": names[3]},
        "optimizer": [*rules, swept],
        "run": {"steps": 2, "metrics": [{"name": "r2", "label": names[4].strip() or "r2"}]},
    }


@pytest.mark.parametrize("part", range(4))
def test_hostile_names_are_texts_everywhere_and_lead_nowhere(xprun: Callable[..., Result], part: int) -> None:
    names = NAMES[part::4]
    Path("mine.py").write_text(PLUGIN, encoding="utf-8")
    spec = Path(f"{names[5][:60].replace('/', '')} \x1b[31m\u202e\n.toml")
    spec.write_text(tomli_w.dumps(grid(names)), encoding="utf-8")
    before = everything(Path(".."))
    assert xprun("check", spec, "--plugin", "mine.py").exit_code == 0
    assert json.loads(xprun("plan", "--json", spec, "--plugin", "mine.py", "-o", "none").stdout)
    result = xprun(spec, "--plugin", "mine.py", "-v", "-j", "0", "--format", "html,md,latex")
    assert result.exit_code == 1, result.output  # the one run that breaks
    (out,) = Path("runs").iterdir()
    assert re.fullmatch(r"\w[\w.-]{0,80}", out.name)
    assert {path for path in everything(Path("..")) - before if not path.is_relative_to("../here/runs")} == set()
    check_tables(out, names)
    check_pages(out)
    check_latex(out)


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def check_tables(out: Path, names: list[str]) -> None:
    """See that every row is one row, that no text is a formula, and that labels come back as they were."""
    for table in out.glob("*.csv"):
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        assert len({len(row) for row in rows}) == 1
        assert not [cell for row in rows for cell in row if re.match(r"[=+\-@\t\r]", cell) and not is_number(cell)]
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", table.read_text(encoding="utf-8"))
    runs = read_tables(out).runs
    assert set(runs["optimizer"]) == {*names, "<script>=../rule</script>"}
    assert set(runs["data"]) == {names[1]}
    assert runs["status"].value_counts().to_dict() == {"done": len(names) + 3, "failed": 1}


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


class Tags(HTMLParser):
    """Collects the elements and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.targets: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.targets |= {value or "" for name, value in attrs if name in ("href", "xlink:href")}


def check_pages(out: Path) -> None:
    page = Tags((out / "report.html").read_text(encoding="utf-8"))
    assert (page.tags.count("script"), page.tags.count("style")) == (1, 1)
    assert not {"img", "iframe", "object", "link", "base", "form"} & set(page.tags)
    assert not [name for name in page.attributes if name.startswith("on") or name == "src"]
    assert all(target.startswith("#") or target in ("results.csv", "history.csv") for target in page.targets)
    body = (out / "report.md").read_text(encoding="utf-8").split("## Spec")[0]
    assert not re.search(r"<(script|img|style|/svg|/pre)|(?<!\\)\]\((?!plots/|#|(?:results|history)\.csv\))", body)
    for text in ((out / "report.html"), (out / "report.md")):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text.read_text(encoding="utf-8"))


LATEX = {
    *["begin", "end", "toprule", "midrule", "bottomrule", "pm", "infty", "times", "cdot", "ldots"],
    *["textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar", "textquotedbl"],
}


def check_latex(out: Path) -> None:
    """See that nothing in a table is a command but those that make it, and that no row has more cells than others."""
    tables = list((out / "tables").glob("*.tex"))
    assert tables
    for table in tables:
        rows = [line for line in table.read_text(encoding="utf-8").splitlines() if not line.startswith("%")]
        text = "\n".join(rows)
        assert set(re.findall(r"\\([A-Za-z]+)", text)) <= LATEX
        assert not re.search(r"(?<!\\)[%#~^]", text)
        assert not re.search(r"^[\[*]", text, re.MULTILINE)
        assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows if row.endswith(r"\\")}) == 1


@pytest.mark.parametrize("place", ["label", "title", "name", "metric", "value", "key", "--set"])
def test_control_characters_are_refused_with_their_place(xprun: Callable[..., Result], place: str) -> None:
    for text in CONTROLS:
        spec = grid(["plain"] * 6)
        if place == "label":
            spec["optimizer"][1]["label"] = f"a{text}"
        elif place in ("title", "name"):
            spec[place] = f"a{text}b"
        elif place == "metric":
            spec["run"]["metrics"] = [{"name": "r2", "label": text}]
        elif place == "value":
            spec["optimizer"][-1]["mode"] = {"grid": ["a", text]}
        elif place == "key":
            spec["model"]["init"] = {f"w{text}": {}}
        Path("mine.py").write_text(PLUGIN, encoding="utf-8")
        Path("spec.toml").write_text(tomli_w.dumps(spec), encoding="utf-8")
        escaped = "".join(f"\\u{ord(c):04x}" if not c.isprintable() else c for c in text)
        sets = ["--set", f'title="{escaped}"'] if place == "--set" else []
        result = xprun("check", "spec.toml", "--plugin", "mine.py", *sets)
        assert result.exit_code == 2
        assert "contains the control character \\" in result.stderr


@pytest.mark.parametrize("name", ["", " a", "a\n", "\x1b[31m", "\u202e", "x" * 10_000])
def test_a_component_has_a_name_of_one_readable_line(xprun: Callable[..., Result], name: str) -> None:
    Path("mine.py").write_text(PLUGIN.replace("<script>=../rule</script>", name.encode("unicode_escape").decode()))
    result = xprun("ls", "optimizer", "--plugin", "mine.py")
    assert result.exit_code == 3
    assert "mine.py:4: the plugin cannot be imported: ValueError: " in result.stderr
    assert len(result.stderr) < 400


def test_listing_components_drives_no_terminal(xprun: Callable[..., Result]) -> None:
    Path("mine.py").write_text(PLUGIN, encoding="utf-8")
    assert "A rule \\x1b[31m<script>" in xprun("ls", "optimizer", "--plugin", "mine.py").stdout
    assert "A rule \\x1b[31m<script>" in xprun("describe", "<script>=../rule</script>", "--plugin", "mine.py").stdout


def test_an_observer_writes_into_the_output_folder_whatever_it_is_called(xprun: Callable[..., Result]) -> None:
    rule = "from xprun.plugins import observer\n@observer('../../../seen')\ndef seen():\n    return write\n"
    write = "def write(folder, **told):\n    (folder / 'seen').write_text('x')\n"
    Path("mine.py").write_text(rule + write, encoding="utf-8")
    spec = grid(["plain"] * 6) | {"optimizer": {"name": "scratch.gd"}}
    spec["run"] |= {"observers": ["../../../seen"], "seeds": 2}
    Path("spec.toml").write_text(tomli_w.dumps(spec), encoding="utf-8")
    assert xprun("spec.toml", "--plugin", "mine.py", "-j", "0").exit_code == 0
    assert not Path("../seen").exists()
    assert len(list(Path("runs/plain").rglob("seen/*/seen")) + list(Path("runs/plain").glob("*/*/seen"))) >= 2


LINKED = [
    "store.sqlite", "store.sqlite-wal", "store.sqlite-shm", "store.sqlite.damaged-1", ".store.sqlite.new", ".lock",
    ".holder.json", ".exports.json", "results.csv", ".results.csv.1.tmp", "history.csv", "report.html", "spec.toml",
    "plots", "plots/curve-loss.png", "checkpoints", "checkpoints/a.pt", "tensorboard",
]  # fmt: skip


@pytest.mark.parametrize("there", ["file", "folder", "nothing", "store"])
def test_a_link_out_of_the_output_folder_is_refused(
    xprun: Callable[..., Result], write: Write, line_spec: str, there: str
) -> None:
    spec = write(line_spec)
    for name in LINKED:
        shutil.rmtree("out", ignore_errors=True)
        shutil.rmtree("outside", ignore_errors=True)
        Path("out", name).parent.mkdir(parents=True)
        Path("outside").mkdir()
        target = Path("outside/target").absolute()
        if there == "file":
            target.write_text("precious", encoding="utf-8")
        elif there == "folder":
            target.mkdir()
        elif there == "store":
            Store(target).close()
            target /= "store.sqlite"
        Path("out", name).symlink_to(target)
        before = {path: path.read_bytes() for path in Path("outside").rglob("*") if path.is_file()}
        result = xprun(spec, "-o", "out", "-j", "0")
        assert result.exit_code == 3
        assert f"out/{name} is a link that points outside the output folder" in result.stderr
        assert {path: path.read_bytes() for path in Path("outside").rglob("*") if path.is_file()} == before


def test_a_report_follows_no_link_out_of_its_folder(xprun: Callable[..., Result], write: Write, line_spec: str) -> None:
    assert xprun(write(line_spec), "-o", "out", "-j", "0").exit_code == 0
    shutil.rmtree("out/plots")
    Path("outside").mkdir()
    Path("out/plots").symlink_to(Path("outside").absolute())
    result = xprun("report", "out")
    assert result.exit_code == 2
    assert "out/plots is a link to a place outside the folder" in result.stderr
    assert not list(Path("outside").iterdir())


def test_links_inside_and_the_output_folder_itself_may_be_links(
    xprun: Callable[..., Result], write: Write, line_spec: str
) -> None:
    Path("disk").mkdir()
    Path("runs").symlink_to("disk")
    assert xprun(write(line_spec), "-j", "0").exit_code == 0
    Path("disk/spec/latest.html").symlink_to("report.html")
    assert xprun(write(line_spec), "-j", "0").exit_code == 0


RUBBISH = ["", "[1]", "5", '{"tables": 5}', '{"tables": {"of": 1, "files": []}}', "[" * 100_000, "\x00", "{}"]


@pytest.mark.parametrize("text", RUBBISH)
def test_rubbish_in_the_files_beside_a_store_does_no_harm(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xprun.runner.store.folder_lock.TRIES", 2)

    def write() -> list[Path]:
        (tmp_path / "a.csv").write_text("new", encoding="utf-8")
        return [tmp_path / "a.csv"]

    (tmp_path / ".exports.json").write_text(text, encoding="utf-8")
    (tmp_path / ".holder.json").write_text(text, encoding="utf-8")
    assert export(tmp_path, "tables", "of", write) == [tmp_path / "a.csv"]
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "new"
    with hold(tmp_path):
        (tmp_path / ".holder.json").write_text(text, encoding="utf-8")
        with pytest.raises(InUseError, match="is in use by another process"), hold(tmp_path):
            pass


@pytest.mark.parametrize(
    ("key", "value"),
    [("runs", "x"), ("swept", 5), ("swept", [[1]]), ("compare", 5), ("title", {}), ("by", 5), ("target", "x")],
)
def test_a_report_on_rubbish_is_an_error_in_one_line(
    xprun: Callable[..., Result], write: Write, line_spec: str, key: str, value: object
) -> None:
    assert xprun(write(line_spec), "-o", "out", "-j", "0", "-q").exit_code == 0
    resolved = json.loads(Path("out/resolved.json").read_text(encoding="utf-8"))
    (resolved["compare"] if key in ("by", "target") else resolved)[key] = value
    Path("out/resolved.json").write_text(json.dumps(resolved), encoding="utf-8")
    with pytest.raises(ReportError, match=rf"resolved.json: (compare\.)?{key}"):
        write_report(Path("out"))


class Evil:
    """Something that a pickle can be made of, which writes a file when it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("executed",)


def torch_file(path: Path) -> None:
    torch.save({"weight": Evil()}, path)


def old_torch_file(path: Path) -> None:
    torch.save({"weight": Evil()}, path, _use_new_zipfile_serialization=False)


def whole_module(path: Path) -> None:
    torch.save(torch.nn.Linear(1, 1), path)


def plain_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Evil()))


def cut(path: Path) -> None:
    torch.save({"w": torch.zeros(1), "b": torch.zeros(1)}, path)
    path.write_bytes(path.read_bytes()[:-100])


def enormous(path: Path) -> None:
    """A tensor whose strides claim far more numbers than the file has."""
    torch.save({"w": torch.zeros(1).expand(10**12), "b": torch.zeros(1)}, path)


PICKLES = [torch_file, old_torch_file, whole_module, plain_pickle, cut, enormous]


@pytest.mark.parametrize("make", PICKLES)
def test_no_code_in_a_checkpoint_is_run(
    xprun: Callable[..., Result], write: Write, line_spec: str, make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / "start.pt")
    spec = write(line_spec.replace('name = "linear"\n', 'name = "linear"\nstart_from = "start.pt"\n'))
    result = xprun(spec, "-o", "out", "-j", "0")
    assert result.exit_code == 1
    assert re.search(
        r"failed: CheckpointError: start.pt (is not a checkpoint file|has no|belongs to another)", result.stderr
    )
    assert not list(tmp_path.rglob("executed"))


@pytest.mark.parametrize("make", PICKLES)
def test_predictions_run_no_code_in_a_checkpoint(
    xprun: Callable[..., Result], write: Write, line_spec: str, make: Callable[[Path], None], tmp_path: Path
) -> None:
    assert xprun(write(line_spec + 'save = "last"\n'), "-o", "out", "-j", "0", "-q").exit_code == 0
    (checkpoint,) = Path("out/checkpoints").glob("*.pt")
    make(checkpoint)
    result = xprun("predict", "out", checkpoint.stem)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.rglob("executed"))


@pytest.mark.parametrize(
    "change",
    [
        {"settings": 5},
        {"data": {"name": "os.system", "settings": {"command": "mkdir executed"}}},
        {"data": {"name": "csv", "settings": {"file": {"file": "x", "path": "/etc/passwd"}}}},
        {"model": {"name": "linear", "settings": {"start_from": {"file": "x", "path": "/etc/passwd"}}}},
        {"model": {"name": "<script>"}},
        {"seed": "x"},
    ],
)
def test_a_description_of_a_run_that_makes_no_sense_is_told_in_one_line(
    xprun: Callable[..., Result], write: Write, line_spec: str, change: dict[str, Any], tmp_path: Path
) -> None:
    assert xprun(write(line_spec + 'save = "last"\n'), "-o", "out", "-j", "0", "-q").exit_code == 0
    (description,) = Path("out/checkpoints").glob("*.json")
    described = json.loads(description.read_text(encoding="utf-8"))
    description.write_text(json.dumps(described | change), encoding="utf-8")
    result = xprun("predict", "out", description.stem)
    assert result.exit_code == 2
    assert "root:" not in result.output
    assert not list(tmp_path.rglob("executed"))


def forge(**changes: Any) -> Callable[[sqlite3.Connection], None]:
    """Return what changes every run of a store and writes a digest that holds, as a person could."""

    def change(database: sqlite3.Connection) -> None:
        for run, text, origin in database.execute("SELECT run, outcome, origin FROM runs").fetchall():
            curves = database.execute(
                'SELECT metric, steps, "values" FROM history WHERE run = ? ORDER BY metric', (run,)
            )
            curves = tuple(changes.get("curve", lambda *curve: curve)(*curve) for curve in curves.fetchall())
            text = changes["text"] if "text" in changes else json.dumps(json.loads(text) | changes.get("outcome", {}))
            record = Record(run, text, changes.get("origin", origin), curves)
            values = (record.outcome, record.origin, record.digest, run)
            database.execute("UPDATE runs SET outcome = ?, origin = ?, digest = ? WHERE run = ?", values)
            database.execute("DELETE FROM history WHERE run = ?", (run,))
            database.executemany("INSERT INTO history VALUES (?, ?, ?, ?)", [(run, *curve) for curve in curves])

    return change


def endless_view(database: sqlite3.Connection) -> None:
    """Put a view that never ends in the place of a table."""
    database.execute("ALTER TABLE runs RENAME TO aside")
    rows = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT CAST(n AS TEXT) run"
    database.execute(f"CREATE VIEW runs AS {rows}, 'x' outcome, 'y' origin, 'z' digest FROM c")


def trigger(database: sqlite3.Connection) -> None:
    database.execute(
        'CREATE TRIGGER t AFTER INSERT ON runs BEGIN UPDATE runs SET outcome = \'{"status": "done"}\'; END'
    )


def other_types(database: sqlite3.Connection) -> None:
    database.execute("UPDATE history SET steps = 5, \"values\" = 'x'")


def huge(database: sqlite3.Connection) -> None:
    database.execute("UPDATE runs SET outcome = zeroblob(500000)")


def another_schema(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA writable_schema = ON")
    database.execute(
        "UPDATE sqlite_master SET sql = replace(sql, 'digest TEXT', 'digest TEXT DEFAULT (load_extension(1))')"
    )


CRAFTED: dict[str, Callable[[sqlite3.Connection], None]] = {
    "a view": endless_view,
    "a trigger": trigger,
    "other types": other_types,
    "huge": huge,
    "another schema": another_schema,
    "no JSON": forge(text="nonsense"),
    "a list": forge(text="[1]"),
    "deep": forge(text="[" * 100_000),
    "no status": forge(text="{}"),
    "a status of its own": forge(outcome={"status": "<script>"}),
    "a table for a status": forge(outcome={"status": {}}),
    "text for a number": forge(outcome={"steps": "many"}),
    "a number of 400 digits": forge(outcome={"steps": 10**400}),
    "a negative number": forge(outcome={"steps": -1}),
    "a list for parameters": forge(outcome={"parameters": [1]}),
    "ragged matrices": forge(outcome={"matrices": {"a": [1, [2]]}}),
    "no origin": forge(origin="nonsense"),
    "a list for an origin": forge(origin="[1]"),
    "odd bytes": forge(curve=lambda metric, steps, values: (metric, steps[:-3], values)),
    "uneven curves": forge(curve=lambda metric, steps, values: (metric, steps[:-8], values)),
}


@pytest.mark.parametrize("crafted", CRAFTED)
def test_a_crafted_store_gives_no_wrong_number_and_ends_soon(tmp_path: Path, crafted: str) -> None:
    store = Store(tmp_path)
    outcomes = {one.run: one for one in map(outcome, range(4))}
    store.save(list(outcomes.values()))
    store.close()
    database = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    CRAFTED[crafted](database)
    database.close()
    records, damaged = read_store(tmp_path / "store.sqlite")
    assert damaged
    store = Store(tmp_path)
    assert " was damaged: " in store.recovery_note
    found = store.outcomes(outcomes)
    assert found.keys() == records.keys()
    assert all(content(one) == content(outcomes[run]) for run, one in found.items())
    store.save(list(outcomes.values()))
    store.close()
    database = sqlite3.connect(tmp_path / "store.sqlite")
    assert [sql for (sql,) in database.execute("SELECT sql FROM sqlite_master ORDER BY rootpage")] == TABLES
    database.close()


def test_a_curve_without_points_is_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save([outcome(1)])
    store.close()
    database = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    forge(curve=lambda metric, steps, values: (metric, b"", b""))(database)
    database.close()
    (found,) = Store(tmp_path).outcomes([outcome(1).run]).values()
    assert found.history == {}


def test_an_outcome_of_an_older_xprun_lacks_what_came_later(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save([outcome(1)])
    store.close()
    database = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    forge(text='{"status": "done", "steps": 3, "no longer": 5}')(database)
    database.close()
    (found,) = Store(tmp_path).outcomes([outcome(1).run]).values()
    assert (found.status, found.steps, found.cacheable, found.matrices) == ("done", 3, True, {})
