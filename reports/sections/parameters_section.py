"""What tiny models have learnt, as numbers."""

import pandas as pd
from xprun.reports.data.folder_comparison import Comparison
from xprun.reports.presentation.formatting import Listing, listing, numbers, texts, value_text
from xprun.reports.sections.blocks import Grid, Part, Section, Text
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.closed_form import reference_value
from xprun.runner.results.results_schema import parameter_name

PARAMETERS_SHOWN = 8


def parameters_section(analysis: Analysis) -> Section:
    """The final parameters; empty where models have many."""
    listing = parameter_listing(analysis.finals, analysis.ranking, analysis.comparison)
    if not listing.rows:
        return Section("parameters", "Final parameters", [])
    caption = f"Mean and sd over the seeds, each alternative{analysis.at_best}"
    equation = learned_equation(analysis)
    parts: list[Part] = [Grid(listing, caption), *([Text(equation)] if equation else [])]
    return Section("parameters", "Final parameters", parts)


def learned_equation(analysis: Analysis) -> str:
    """The equation that the best alternative has learned beside the one that the data were drawn from.

    Empty where that one is not known, or the parameters are not its weights and a constant at the end.
    """
    label = set(analysis.finals["data"].astype(str))
    truth = next((data.truth for data in analysis.tables.data_sets if {data.label} == label), [])
    names = analysis.comparison.schema.names("parameter")
    best = analysis.ranking.iloc[0]
    if len(truth) != len(names) or len(truth) < 2 or best["bad"] or not _is_last(names[-1]):
        return ""
    learned = analysis.finals.loc[analysis.finals["setting"] == best.name, names].mean()
    return (
        f"{best['alternative']} has learned {_equation(learned.tolist())}; the data are drawn from {_equation(truth)}."
    )


def _is_last(name: str) -> bool:
    """Whether a parameter is the constant of a linear rule."""
    return name.rpartition(".")[2] in ("b", "bias")


def _equation(values: list[float]) -> str:
    """`y = 2 x1 - 3.4 x2 + 4.2`."""
    *weights, constant = values
    names = ["x"] if len(weights) == 1 else [f"x{i}" for i in range(1, len(weights) + 1)]
    terms = [f"{value_text(abs(w))} {name}" for w, name in zip(weights, names, strict=True)] + [
        value_text(abs(constant))
    ]
    signs = ["-" if value < 0 else "+" for value in values]
    first = f"-{terms[0]}" if signs[0] == "-" else terms[0]
    return " ".join([f"y = {first}", *(f"{sign} {term}" for sign, term in zip(signs[1:], terms[1:], strict=True))])


def parameter_listing(judged: pd.DataFrame, ranking: pd.DataFrame, comparison: Comparison) -> Listing:
    """The final parameters of tiny models: mean and sd over the seeds, at each alternative's best setting.

    The last row holds those of least squares, where they are known.
    """
    names = comparison.schema.names("parameter")
    if not 0 < len(names) <= PARAMETERS_SHOWN:
        return listing([])
    groups = judged.groupby("setting")[names]
    mean, sd = groups.mean().loc[ranking.index], groups.std().loc[ranking.index]
    rows = list(ranking["alternative"])
    if None not in (exactly := [reference_value(judged, name) for name in names]):
        mean.loc[-1], sd.loc[-1] = exactly, float("nan")
        rows.append("least squares")
    pairs = [(parameter_name(name), mean[name], sd[name]) for name in names]
    columns = [column for name, m, s in pairs for column in (numbers(name, m), numbers(f"{name} sd", s))]
    return listing([texts("alternative", rows), *columns])
