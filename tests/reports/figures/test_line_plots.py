"""Plots show what is in the tables, and take every label literally."""

import pandas as pd
import pytest
from matplotlib.figure import Figure
from xprun.reports.figures.axes import FARTHEST, drawable
from xprun.reports.figures.heat_maps import heat_figure
from xprun.reports.figures.image_files import to_png, to_svg
from xprun.reports.figures.interval_dots import dots_figure
from xprun.reports.figures.line_plots import curve_figure, sensitivity_figure, share_figure, tuning_figure
from xprun.reports.figures.rank_diagram import rank_figure
from xprun.reports.presentation.style import COLOURS, SHOWN, strokes, theme


def lines(*names: str, values: tuple[float, ...] = (3.0, 2.0, 1.0), bad: bool = False) -> pd.DataFrame:
    rows = [(name, k, v, v * 0.9, v * 1.1, bad) for name in names for k, v in enumerate(values, 1)]
    return pd.DataFrame(rows, columns=["alternative", "step", "mean", "low", "high", "bad"]).assign(carried=False)


def points(**bad: int) -> pd.DataFrame:
    rows = [
        (name, x, None if n else 0.9, None if n else 0.8, None if n else 1.0, n, 3)
        for name, n in bad.items()
        for x in (0.01, 1.0)
    ]
    return pd.DataFrame(rows, columns=["alternative", "x", "mean", "low", "high", "bad", "runs"]).astype(
        {"mean": float}
    )


def draw_curves(*tables: pd.DataFrame) -> Figure:
    table = pd.concat(tables)
    with theme():
        return curve_figure(table, strokes(list(table["alternative"].unique())), "loss")


@pytest.mark.parametrize("label", ["$x_1$", "_hidden", "a <b> & c", "100%", "$", "\\alpha", "日本"])
def test_a_label_is_taken_literally(label: str) -> None:
    figure = draw_curves(lines(label))
    assert figure.legends[0].get_texts()[0].get_text().strip() == label
    with theme():
        assert label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in to_svg(figure, "x")
        assert to_png(figure).startswith(b"\x89PNG")


def test_losses_over_decades_are_drawn_on_a_logarithmic_axis() -> None:
    assert draw_curves(lines("SGD", values=(1.0, 0.001))).axes[0].get_yscale() == "log"
    assert draw_curves(lines("SGD", values=(1.0, 0.1))).axes[0].get_yscale() == "linear"
    assert draw_curves(lines("SGD", values=(1.0, -0.001))).axes[0].get_yscale() == "linear"


@pytest.mark.parametrize("log", [False, True])
def test_a_single_point_has_room_around_it(log: bool) -> None:
    point = lines("SGD", values=(0.1755,)).assign(low=0.1755, high=0.1755)
    with theme():
        figure = curve_figure(point, strokes(["SGD"]), "loss", log=log)
        assert to_svg(figure, "x")  # without the warnings of a collapsed axis
    (left, right), (low, high) = figure.axes[0].get_xlim(), figure.axes[0].get_ylim()
    assert left < 1 < right
    assert low < 0.1755 < high


def test_a_line_of_a_single_value_beside_others_collapses_no_axis() -> None:
    rows = [("one", 0.1, 0.9), ("two", 0.01, 0.5), ("two", 0.1, 0.6), ("two", 1.0, 0.7)]
    table = pd.DataFrame(rows, columns=["alternative", "x", "mean"]).assign(bad=0, runs=3)
    table = table.assign(low=table["mean"], high=table["mean"])
    with theme():
        figure = sensitivity_figure(table, strokes(["one", "two"]), "loss", "lr", worst_low=False)
    assert figure.axes[0].get_xscale() == "log"
    assert figure.axes[0].get_xlim()[0] < 0.01


def test_a_few_points_are_marked_and_steps_are_whole_numbers() -> None:
    figure = draw_curves(lines("short", values=(3.0, 2.0)), lines("long", values=tuple(range(1, 30))))
    markers = {line.get_gid(): line.get_marker() for line in figure.axes[0].lines}
    assert markers == {"series-0": "o", "series-1": "None"}
    few = draw_curves(lines("short", values=(3.0, 2.0))).axes[0]
    assert all(tick == round(tick) for tick in few.get_xticks())


def test_cells_of_a_heat_map_are_written_in_black_or_white() -> None:
    means = pd.DataFrame([[0.1, 0.4], [0.6, 1.0]], index=pd.Index([1, 2], name="a"), columns=pd.Index([3, 4], name="b"))
    with theme():
        figure = heat_figure({"SGD": means}, "loss", ascending=False)
    texts = [(text.get_text(), text.get_color()) for text in figure.axes[0].texts]
    assert texts == [("0.1", "white"), ("0.4", "white"), ("0.6", "black"), ("1", "black")]


def test_an_exploding_line_does_not_flatten_the_others() -> None:
    wild = lines("Adam", values=(1.0, 1e30), bad=True)
    assert draw_curves(lines("SGD"), wild).axes[0].get_ylim()[1] < 10


def test_a_bad_setting_is_a_cross_at_the_worst_edge() -> None:
    for worst_low, height in ((True, 0.035), (False, 0.965)):
        with theme():
            figure = sensitivity_figure(points(SGD=0, Adam=2), strokes(["SGD", "Adam"]), "t", "lr", worst_low)
        crosses = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
        assert [(*line.get_xdata(), *line.get_ydata()) for line in crosses] == [(0.01, height), (1.0, height)]
        assert figure.axes[0].get_xscale() == "log"


def test_a_setting_of_zero_keeps_its_place() -> None:
    table = points(SGD=0).replace({"x": {0.01: 0.0, 1.0: 0.1}})
    table = pd.concat([table, table.assign(x=[0.001, 0.01])])
    with theme():
        figure = sensitivity_figure(table, strokes(["SGD"]), "t", "lr", True)
    assert figure.axes[0].get_xscale() == "symlog"


def test_no_two_strokes_look_alike() -> None:
    found = strokes([str(i) for i in range(30)])
    assert len(found) == SHOWN
    assert len({(stroke.colour, stroke.dashes) for stroke in found.values()}) == SHOWN


def test_colours_of_an_svg_follow_the_page() -> None:
    with theme():
        svg = to_svg(draw_curves(lines("SGD", "Adam")), "x")
    assert "var(--series-1)" in svg
    assert not any(colour in svg for colour in COLOURS)
    assert "<style" not in svg
    assert "<metadata" not in svg


@pytest.mark.parametrize(("floor", "drawn"), [(0.9, True), (0.002, True), (1e-9, False)])
def test_a_floor_is_drawn_dashed_unless_it_is_far_away(floor: float, drawn: bool) -> None:
    with theme():
        figure = curve_figure(lines("SGD", values=(1000.0, 1.0)), strokes(["SGD"]), "loss", floor=floor)
    axes = figure.axes[0]
    assert any(line.get_ydata()[0] == floor and line.get_linestyle() == "--" for line in axes.lines) == drawn
    assert (axes.get_ylim()[0] < floor) == drawn


def test_a_staircase_rises_to_its_share() -> None:
    table = pd.DataFrame({"alternative": ["SGD"] * 3, "x": [0.0, 10, 40], "share": [0, 0.5, 0.5]})
    with theme():
        axes = share_figure(table, strokes(["SGD", "Adam"]), "t", "step").axes[0]
    (line,) = axes.lines
    assert line.get_drawstyle() == "steps-post"
    assert list(zip(*line.get_data(), strict=True)) == [(0, 0), (10, 0.5), (40, 0.5)]
    assert [text.get_text() for text in axes.figure.legends[0].get_texts()] == ["SGD"]


def test_a_tuning_line_begins_where_something_is_expected() -> None:
    table = pd.DataFrame({"alternative": "SGD", "tried": [1, 2, 3], "expected": [None, 0.4, 0.3]})
    with theme():
        (line,) = tuning_figure(table, strokes(["SGD"]), "t").axes[0].lines
    assert list(zip(*line.get_data(), strict=True)) == [(2, 0.4), (3, 0.3)]


@pytest.mark.parametrize(("worst_low", "edge"), [(True, 0.012), (False, 0.988)])
def test_every_seed_is_a_dot_and_a_bad_one_a_cross(worst_low: bool, edge: float) -> None:
    judged = pd.DataFrame({"alternative": ["A", "A", "B"], "value": [0.7, 0.9, None], "bad": [False, False, True]})
    ranking = pd.DataFrame(
        {"alternative": ["A", "B"], "mean": [0.8, None], "mean_low": [0.7, None], "mean_high": [0.9, None]}
    )
    with theme():
        axes = dots_figure(judged, ranking, strokes(["A", "B"]), "t", worst_low).axes[0]
    drawn = [(line.get_marker(), *map(list, line.get_data())) for line in axes.lines]
    assert ("o", [0.7, 0.9], [0, 0]) in drawn
    assert ("None", [0.7, 0.9], [0, 0]) in drawn
    assert ("x", [edge], [1]) in drawn
    assert [text.get_text() for text in axes.get_yticklabels()] == ["A", "B"]


def test_names_stand_on_both_sides_of_a_rank_diagram() -> None:
    means = pd.Series({"A": 1.2, "B": 1.9, "C": 2.9})
    with theme():
        axes = rank_figure(means, [(0, 1), (1, 2)], strokes(["A", "B", "C"]), "ranks").axes[0]
    texts = {text.get_text(): text.get_ha() for text in axes.texts}
    assert {"A 1.20": "right", "B 1.90": "right", "2.90 C": "left"}.items() <= texts.items()
    bars = [line.get_xdata() for line in axes.lines if line.get_linewidth() > 3]
    assert [list(x) for x in bars] == [pytest.approx([1.17, 1.93]), pytest.approx([1.87, 2.93])]


EXTREME = [1e308, 1.7976931348623157e308, -1e308, 5e-324, -1e-320, 1e-300, float("inf"), float("nan"), 0.0, 1.0]


@pytest.mark.parametrize("value", EXTREME)
@pytest.mark.parametrize("other", [1e308, 0.01])
def test_numbers_at_the_edge_of_what_there_is_are_drawn(value: float, other: float) -> None:
    curves = lines("SGD", values=(other, value, 1.0)).fillna(0.5)
    swept = points(SGD=0, Adam=1).assign(x=[other, value, other, value]).dropna(subset=["x"])
    swept = swept.assign(mean=value, low=other, high=value)
    with theme():
        styles = strokes(["SGD", "Adam"])
        for figure in (
            curve_figure(curves, styles, "loss", lost=curves.rename(columns={"mean": "value"})),
            sensitivity_figure(swept, styles, "loss", "optimizer.lr", worst_low=True),
        ):
            assert to_svg(figure, "x")
            assert to_png(figure)


def test_what_is_drawn_of_a_table_is_within_reach_of_axes() -> None:
    drawn = drawable(pd.DataFrame({"x": EXTREME, "n": range(len(EXTREME)), "name": "a"}))
    assert drawn["x"].abs().max() == FARTHEST
    assert drawn["x"][drawn["x"] != 0].abs().min() == 1 / FARTHEST
    assert drawn["x"].isna().tolist() == [value in (float("inf"),) or value != value for value in EXTREME]
    assert drawn["x"][9] == 1.0
    assert (drawn["x"] < 0).tolist() == [value < 0 for value in EXTREME]
    assert drawn["n"].tolist() == list(range(len(EXTREME)))


@pytest.mark.parametrize("value", [1e308, -1e308, 5e-324])
def test_a_heat_map_has_colours_for_numbers_at_the_edge(value: float) -> None:
    table = pd.DataFrame([[value, -value], [1.0, 0.0]], index=pd.Index([0.1, 1e308], name="lr"), columns=[0.0, 0.9])
    with theme():
        assert to_svg(heat_figure({"SGD": table}, "loss", ascending=True), "x")
