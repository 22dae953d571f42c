"""The curves so far: one plot a metric, one line a run, and nothing that a name can break."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

from xprun.reports.live.training_curves import draw


def told(*curves: dict[str, Any], per_epoch: int = 1) -> dict[str, Any]:
    runs = [{"name": f"run {i}", "alternative": i % 2, "curves": curve} for i, curve in enumerate(curves)]
    return {"alternatives": ["SGD", "<b>Adam"], "per_epoch": per_epoch, "runs": runs}


def plots(text: str) -> list[Any]:
    return list(ElementTree.fromstring(f"<div>{text}</div>").iter("figure"))


def test_nothing_is_drawn_where_nothing_is_in_training() -> None:
    assert draw({}) == draw(told()) == draw(told({"loss": [[1, 2], [math.nan, math.inf]]})) == ""


def test_each_metric_has_a_plot_and_each_run_a_line() -> None:
    one = {"loss": [[1, 2, 3], [1.0, 0.5, 0.25]], "valid.mae": [[2], [0.7]]}
    found = plots(draw(told(one, {"loss": [[1, 2], [2.0, 4.0]]})))
    assert [figure[0].text for figure in found] == ["loss: 0.25 to 4", "valid.mae: 0.7"]
    lines = list(found[0].iter("polyline"))
    assert [line.find("title").text for line in lines] == ["run 0", "run 1"]
    assert [len(line.get("points").split()) for line in lines] == [3, 2]
    assert lines[0].get("stroke") != lines[1].get("stroke")
    assert found[0][1].get("data-points") == "3"


def test_the_first_value_is_higher_where_the_loss_falls_and_steps_become_epochs() -> None:
    [figure] = plots(draw(told({"loss": [[10, 20], [1.0, 0.5]]}, per_epoch=10)))
    (x0, y0), (x1, y1) = (map(float, point.split(",")) for point in figure.find(".//polyline").get("points").split())
    assert (x1, y1 - y0) == (340.0, 170.0)
    assert x0 == 170.0
    assert "over epochs, 2 points so far" in figure[1].get("aria-label")


def test_losses_over_many_decades_have_a_logarithmic_axis() -> None:
    [figure] = plots(draw(told({"loss": [[1, 2, 3], [1.0, 1e-2, 1e-4]]})))
    heights = [float(point.split(",")[1]) for point in figure.find(".//polyline").get("points").split()]
    assert heights == [0.0, 85.0, 170.0]


def test_a_name_is_text_whatever_it_holds() -> None:
    text = draw(told({"loss": [[1], [1.0]]}, {"loss": [[1], [2.0]]}))
    assert "<b>" not in text
    assert re.search(r"&lt;b&gt;Adam", text)
