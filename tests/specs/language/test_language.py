"""What the words of the language stand for: random search, sweeps in step, exclusions, ablations, references."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from xprun.plugins.registry import REGISTRY
from xprun.runner.resolve.resolver import resolve
from xprun.runner.results.run_columns import full_name
from xprun.specs import Run, Spec, SpecError, count_runs, expand, read_document, read_spec, read_text

Write = Callable[..., Path]
LR = "lr = 0.1"


def load(path: Path, *sets: str) -> Spec:
    return resolve(read_spec(read_document(path, sets)), REGISTRY)


def values(runs: list[Run], section: str, key: str) -> list[Any]:
    return [run.choices[section].settings[key] for run in runs]


@pytest.fixture
def runs(write: Write) -> Callable[..., list[Run]]:
    """Return a function from the text of a spec, and `--set` texts, to its runs."""

    def expanded(text: str, *sets: str) -> list[Run]:
        spec = load(write(text), *sets)
        found = expand(spec)
        assert count_runs(spec) == len(found)
        return found

    return expanded


Runs = Callable[..., list[Run]]


def test_random_sweeps_draw_within_their_bounds(runs: Runs, line_spec: str) -> None:
    text = line_spec.replace(LR, "lr = { loguniform = [1e-3, 1.0], samples = 200 }")
    drawn = values(runs(text), "optimizer", "lr")
    assert len(set(drawn)) == 200
    assert 1e-3 <= min(drawn) < 2e-3
    assert 0.5 < max(drawn) <= 1.0
    assert 80 < sum(lr < 10**-1.5 for lr in drawn) < 120  # half of them below the geometric middle


def test_choice_draws_from_its_values(runs: Runs, line_spec: str) -> None:
    drawn = values(
        runs(line_spec.replace("samples = 20", "samples = { choice = [10, 20, 30], samples = 50 }")), "data", "samples"
    )
    assert set(drawn) == {10, 20, 30}


def test_draws_depend_on_the_seed_and_the_name_of_the_setting_only(runs: Runs, line_spec: str) -> None:
    swept = line_spec.replace(LR, "lr = { uniform = [0.1, 0.2], samples = 5 }")
    first = values(runs(swept), "optimizer", "lr")
    assert values(runs(swept), "optimizer", "lr") == first
    assert values(runs(swept.replace("samples = 5", "samples = 8")), "optimizer", "lr")[:5] == first
    more = swept.replace("samples = 20", "samples = 20\nw = { uniform = [1, 2], samples = 5 }")
    assert values(runs(more), "optimizer", "lr") == first
    again = swept.replace("[optimizer]", '[[optimizer]]\nname = "SGD"\n[[optimizer]]')
    assert values(runs(again), "optimizer", "lr")[1:] == first
    assert values(runs(swept + "search_seed = 1\n"), "optimizer", "lr") != first


def test_two_settings_are_drawn_independently(runs: Runs, line_spec: str) -> None:
    sweep = "{ uniform = [0.1, 0.9], samples = 50 }"
    found = runs(line_spec.replace(LR, f"lr = {sweep}").replace("samples = 20", f"samples = 20\nw = {sweep}"))
    pairs = list(zip(values(found, "data", "w"), values(found, "optimizer", "lr"), strict=True))
    assert 10 < sum(w < lr for w, lr in pairs) < 40


def test_random_sweeps_are_drawn_together_whatever_section_they_are_in(runs: Runs, line_spec: str) -> None:
    text = line_spec.replace(LR, "lr = { uniform = [0.1, 0.2], samples = 6 }").replace(
        "samples = 20", "samples = 20\nw = { uniform = [1, 2], samples = 6 }\nb = { grid = [0.0, 1.0] }"
    )
    found = runs(text)
    assert len(found) == 6 * 2
    assert len(set(zip(values(found, "data", "w"), values(found, "optimizer", "lr"), strict=True))) == 6


def test_a_tag_sets_a_random_sweep_apart(runs: Runs, line_spec: str) -> None:
    text = line_spec.replace(LR, "lr = { uniform = [0.1, 0.2], samples = 3 }").replace(
        "samples = 20", 'samples = 20\nw = { uniform = [1, 2], samples = 2, with = "line" }'
    )
    assert len(runs(text)) == 6


def test_sweeps_with_one_tag_move_together_across_sections(runs: Runs, line_spec: str) -> None:
    text = line_spec.replace(LR, 'lr = { grid = [0.1, 0.2, 0.4], with = "size" }').replace(
        "samples = 20", 'samples = { range = [10, 40, 10], with = "size" }\nw = { grid = [1, 2] }'
    )
    found = runs(text)
    assert len(found) == 6
    pairs = set(zip(values(found, "data", "samples"), values(found, "optimizer", "lr"), strict=True))
    assert pairs == {(10, 0.1), (20, 0.2), (30, 0.4)}


def test_an_alternative_without_the_tag_meets_every_value(runs: Runs, line_spec: str) -> None:
    more = '[[optimizer]]\nname = "SGD"\nlr = { grid = [0.1, 0.2], with = "t" }\n[[optimizer]]\nname = "Adam"\n'
    text = line_spec.replace('[optimizer]\nname = "scratch.gd"\nlr = 0.1\n', more)
    text = text.replace("samples = 20", 'samples = { grid = [10, 20], with = "t" }')
    assert [run.choices["optimizer"].label for run in runs(text)] == ["SGD", "Adam", "SGD", "Adam"]


def test_an_exclusion_drops_what_fulfils_all_its_keys(runs: Runs, line_spec: str) -> None:
    more = '[[optimizer]]\nname = "SGD"\nlabel = "plain"\nlr = { grid = [0.1, 1.0] }\n'
    text = line_spec.replace("[optimizer]", "[[optimizer]]").replace("[run]", more + "[run]\nseeds = 2")
    text = text.replace("samples = 20", "samples = { grid = [10, 20] }")
    assert len(runs(text)) == 2 * 3 * 2
    by_label = text + '[[exclude]]\noptimizer = "plain"\n"optimizer.lr" = 1\n"data.samples" = 10\n'
    left = {(r.choices["optimizer"].settings["lr"], r.choices["data"].settings["samples"]) for r in runs(by_label)}
    assert left == {(0.1, 10), (0.1, 20), (1.0, 20)}
    assert len(runs(text + '[[exclude]]\noptimizer = "SGD"\n[[exclude]]\ndata.samples = [10, 15]\n')) == 2


def test_an_ablation_changes_one_setting_at_a_time(runs: Runs, line_spec: str) -> None:
    text = line_spec.replace("scratch.gd", "SGD").replace(LR, "lr = 0.1\nmomentum = 0.9") + (
        '[ablate]\n"optimizer.momentum" = 0.0\n"data.samples" = 10\n"run.steps" = 2\n'
    )
    found = runs(text)
    settings = [
        (r.choices["optimizer"].settings["momentum"], r.choices["data"].settings["samples"], r.settings.steps)
        for r in found
    ]
    assert settings == [(0.9, 20, 5), (0.0, 20, 5), (0.9, 10, 5), (0.9, 20, 2)]
    assert [r.choices["optimizer"].label for r in found] == ["SGD", "SGD momentum=0.0", "SGD", "SGD"]
    assert found[0].id == runs(text.partition("[ablate]")[0])[0].id


def test_an_ablation_replaces_a_sweep_of_its_setting(runs: Runs, line_spec: str) -> None:
    swept = line_spec.replace(LR, "lr = { grid = [0.1, 0.2] }") + '[ablate]\n"optimizer.lr" = 0.5\n'
    assert values(runs(swept), "optimizer", "lr") == [0.1, 0.2, 0.5]


def test_a_reference_has_the_type_of_what_it_refers_to(write: Write, line_spec: str) -> None:
    text = line_spec.replace("samples = 20", 'samples = "${run.steps}"\nw = "${optimizer.lr}"')
    spec = load(write('title = "${run.steps} steps at ${optimizer.lr}, $${literally}"\n' + text), "run.steps=7")
    assert spec.sections["data"][0].settings["samples"] == 7
    assert spec.sections["data"][0].settings["w"] == 0.1
    assert spec.head.title == "7 steps at 0.1, ${literally}"


def test_references_may_lead_on(write: Write, line_spec: str) -> None:
    text = line_spec.replace(LR, 'lr = "${data.w}"').replace("samples = 20", 'samples = 20\nw = "${data.b}"\nb = 0.5')
    assert load(write(text)).sections["optimizer"][0].settings["lr"] == 0.5


def test_a_value_through_a_reference_is_explained_by_its_place(write: Write, line_spec: str) -> None:
    with pytest.raises(SpecError, match=r"(?s)lr: must be .* not -2.*\$\{data.w\} is set at .*spec.toml:5:5"):
        load(write(line_spec.replace(LR, 'lr = "${data.w}"').replace("samples = 20", "samples = 20\nw = -2")))


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("optimizer.lr=[0.1, 0.2]", [0.1, 0.2]),
        ("optimizer.lr={ logspace = [0.1, 10], num = 3 }", [0.1, 1.0, 10.0]),
        ("optimizer.lr=0.3", [0.3]),
    ],
)
def test_set_sweeps_a_setting(runs: Runs, line_spec: str, text: str, settings: list[float]) -> None:
    assert values(runs(line_spec, text), "optimizer", "lr") == settings


def test_a_list_from_set_is_a_value_where_the_setting_is_a_list(runs: Runs, line_spec: str) -> None:
    adam = line_spec.replace('"scratch.gd"', '"Adam"')
    assert values(runs(adam, "optimizer.betas=[0.8, 0.9]"), "optimizer", "betas") == [(0.8, 0.9)]
    pairs = "[[0.8, 0.9], [0.9, 0.99]]"
    assert values(runs(adam, f"optimizer.betas={pairs}"), "optimizer", "betas") == [(0.8, 0.9), (0.9, 0.99)]
    assert [run.seed for run in runs(adam, "run.seeds=[3, 4]", "run.steps=[5, 6]")] == [3, 4, 3, 4]


def test_set_reaches_into_lists_and_single_alternatives(runs: Runs, line_spec: str) -> None:
    layers = 'layers = [{ name = "Linear", in_features = 1, out_features = 1 }]'
    text = line_spec.replace('name = "linear"', layers).replace(
        "[optimizer]", '[[optimizer]]\nname = "SGD"\n[[optimizer]]'
    )
    found = runs(text, "model.layers[0].bias=false", "optimizer[1].lr=0.7")
    assert not found[0].choices["model"].settings["layers"][0]["bias"]
    assert values(found, "optimizer", "lr") == [0.001, 0.7]


@pytest.fixture
def base(write: Write, line_spec: str) -> str:
    """Write `base.toml` beside the spec and return the line that extends it."""
    write('name = "base"\n' + line_spec, "base.toml")
    return 'extends = "base.toml"\n'


def test_a_spec_that_extends_another_changes_what_it_says(write: Write, base: str) -> None:
    spec = load(write(base + "[optimizer]\nlr = 0.5\n[run]\nseeds = 3\n"))
    (optimizer,) = spec.sections["optimizer"]
    assert (optimizer.name, optimizer.settings["lr"]) == ("scratch.gd", 0.5)
    assert (spec.run.settings["steps"], spec.run.settings["seeds"]) == (5, 3)
    assert spec.name == "spec"


def test_another_component_a_sweep_and_a_list_replace_what_they_extend(write: Write, base: str) -> None:
    path = write('extends = "middle.toml"\n[[optimizer]]\nname = "Adam"\nlr = { range = [1, 3] }\n')
    write(base + '[data]\nsamples = { grid = [10, 20] }\n[loss]\nname = "HuberLoss"\ndelta = 2.0\n', "middle.toml")
    spec = load(path)
    assert count_runs(spec) == 4
    assert [a.name for a in spec.sections["optimizer"]] == ["Adam"]
    assert spec.sections["loss"][0].settings["delta"] == 2.0


def test_the_settings_of_a_replaced_component_and_sweep_are_not_inherited(write: Write, base: str) -> None:
    write(base + "[data]\nsamples = { range = [10, 40, 10] }\n", "middle.toml")
    text = 'extends = "middle.toml"\n[data]\nsamples = { grid = [10, 20] }\n[optimizer]\nname = "Adam"\n'
    spec = load(write(text))
    assert spec.sections["optimizer"][0].settings["lr"] == 0.001
    assert count_runs(spec) == 2


def test_a_mistake_in_a_base_is_shown_there(write: Write, base: str) -> None:
    base_file = write(base).parent / "base.toml"
    base_file.write_text(base_file.read_text(encoding="utf-8").replace("lr = 0.1", "rl = 0.1"), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load(write(base + "[optimizer]\nlr = -1\n"))
    places = [line.split(": ")[0].rpartition("/")[2] for line in str(caught.value).splitlines() if ".toml:" in line]
    assert places == ["spec.toml:3:6", "base.toml:13:1"]


def test_the_text_as_run_says_what_else_decided_the_runs(write: Write, base: str) -> None:
    text = read_document(write(base), ("optimizer.lr=0.5",)).as_run()
    assert text.startswith("# --set optimizer.lr=0.5\n" + base)
    assert '# name = "scratch.gd"' in text


def test_a_base_is_not_read_through_a_link_that_leads_out(tmp_path: Path, line_spec: str) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside.toml").write_text(line_spec, encoding="utf-8")
    (tmp_path / "inside/link.toml").symlink_to(tmp_path / "outside.toml")
    (tmp_path / "inside/spec.toml").write_text('extends = "link.toml"', encoding="utf-8")
    with pytest.raises(SpecError, match="points outside the folder of the spec"):
        load(tmp_path / "inside/spec.toml")


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("cost ${5}", "write $${5} for these characters themselves"),
        ("${lr}", "did you mean 'optimizer.lr'?"),
        ("${HOME}", "environment variables are not read: give the value with --set SETTING=VALUE"),
        ("${env:HOME}", "environment variables are not read"),
        ("${run.steps * 2}", "calculates and formats nothing"),
        ("${run.steps:03d}", "calculates and formats nothing"),
        ("${}", "write a dotted key, ${run.epochs}, or $${} for these characters themselves"),
        ("${run.steps", "write ${run.steps} for a reference, and $${ for a literal ${"),
        ("${${run.steps}}", "a reference stands in no other one"),
        ("${run}", "a reference leads to a string, a number, a boolean or a list of these: ${run."),
    ],
)
def test_a_reference_that_leads_nowhere_names_what_to_write(write: Write, line_spec: str, text: str, fix: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(write(f"title = '{text}'\n{line_spec}"))
    assert fix in str(caught.value)


def test_a_reference_to_a_sweep_names_the_way_to_move_with_it(runs: Runs, line_spec: str) -> None:
    spec = line_spec.replace("scratch.gd", "SGD")
    with pytest.raises(SpecError) as caught:
        runs(spec.replace(LR, 'lr = { grid = [0.1, 0.2] }\nweight_decay = "${optimizer.lr}"'))
    fix = '{ grid = [0.1, 0.2], with = "lr" }'
    assert f"to move with optimizer.lr, write {fix} in both places" in str(caught.value)
    mended = runs(spec.replace(LR, f"lr = {fix}\nweight_decay = {fix}"))
    assert values(mended, "optimizer", "lr") == values(mended, "optimizer", "weight_decay") == [0.1, 0.2]


TWO = '[[optimizer]]\nname = "SGD"\nlr = 1e-3\n[[optimizer]]\nname = "SGD"\nlr = 0.10\n'


@pytest.mark.parametrize(
    ("optimizer", "ablate", "labels"),
    [
        ("lr = 1e-3\nmomentum = 0.9", '"optimizer.lr" = 1e-4', ["SGD", "SGD lr=1e-4"]),
        ("lr = 0.1", '"optimizer.lr" = 0.30000000000000004', ["SGD", "SGD lr=0.3"]),
        ("lr = 0.1\nmomentum = 0.9", '"optimizer.nesterov" = true', ["SGD", "SGD nesterov=true"]),
        ("lr = 0.1", '"optimizer.lr" = { grid = [0.3, 1e-2] }', ["SGD", "SGD lr=0.3,0.01", "SGD lr=0.3,0.01"]),
        (
            TWO,
            '"optimizer.momentum" = 0.5',
            ["SGD lr=1e-3", "SGD lr=0.10", "SGD lr=1e-3 momentum=0.5", "SGD lr=0.10 momentum=0.5"],
        ),
        (TWO, '"optimizer.lr" = 0.5', ["SGD lr=1e-3", "SGD lr=0.10", "SGD lr=0.5", "SGD lr=0.5"]),
        (TWO, '"optimizer.lr" = 0.1', ["SGD lr=1e-3", "SGD lr=0.10", "SGD lr=0.1"]),
    ],
)
def test_a_label_tells_a_value_once_and_as_it_is_written(
    runs: Runs, line_spec: str, optimizer: str, ablate: str, labels: list[str]
) -> None:
    own = f'[optimizer]\nname = "SGD"\n{optimizer}\n' if not optimizer.startswith("[[") else optimizer
    text = line_spec.replace('[optimizer]\nname = "scratch.gd"\nlr = 0.1\n', own)
    assert text != line_spec
    found = runs(f"{text}[ablate]\n{ablate}\n")
    assert [run.choices["optimizer"].label for run in found] == labels


def test_what_a_label_tells_is_not_told_again(runs: Runs, line_spec: str) -> None:
    text = line_spec.replace("scratch.gd", "SGD").replace(LR, "lr = { grid = [0.1, 0.2] }\nmomentum = 0.9")
    found = runs(f'{text}[ablate]\n"optimizer.momentum" = 0.5\n')[-1]
    assert list(found.choices["optimizer"].swept) == [("momentum",), ("lr",)]
    assert list(found.choices["optimizer"].untold) == [("lr",)]
    assert full_name(found, {"optimizer"}) == "SGD momentum=0.5 optimizer.lr=0.2 seed=0"


@pytest.mark.parametrize("text", ["data[0]=0.1", "model[0]=true", "optimizer[0]=[1, 2]"])
def test_an_item_of_a_section_that_is_written_once_is_no_value(text: str) -> None:
    spec = "data.name = 'line'\nmodel.name = 'linear'\nloss.name = 'MSELoss'\noptimizer.name = 'SGD'\nrun.steps = 1\n"
    with pytest.raises(SpecError, match="is a section, with a component and its settings"):
        resolve(read_spec(read_text(spec, "spec.toml", (text,))), REGISTRY)


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("run.name", "[run] has no such setting"),
        ("run.stop.longest", "run.stop has no such setting"),
        ("run.steps", "must be an integer, not []"),
        ("run.seeds", "must name at least one seed, each once, not []"),
        ("run.stop.patience", "must be an integer or a table, not []"),
        ("run.engine", "must be 'auto', 'together' or 'alone', not []"),
        ("optimizer.lr", "this list has no values"),
        ("optimizer.speed", "scratch.gd has no such setting"),
    ],
)
def test_an_empty_list_on_the_command_line(write: Write, line_spec: str, key: str, wrong: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(write(line_spec), f"{key}=[]")
    assert [problem.message for problem in caught.value.problems if wrong in problem.message] == [wrong]
    assert len(caught.value.problems) == 1
