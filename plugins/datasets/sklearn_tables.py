"""The small tables that scikit-learn ships: flowers, wines, tumours and patients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from xprun.plugins.datasets.bundled import bundled_file
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import data


@data("iris")
def iris() -> Table:
    """150 irises of 3 species: length and width of sepal and petal, in cm.

    inputs [150, 4], targets [150].
    Source: Fisher, The use of multiple measurements in taxonomic problems (1936), as bundled with scikit-learn.
    """
    return _classes("iris.csv", "load_iris", ("setosa", "versicolor", "virginica"))


@data("wine")
def wine() -> Table:
    """178 wines of 3 growers: 13 chemical measurements in units of their own, from 0.1 to 1680; see `standardise`.

    inputs [178, 13], targets [178].
    Source: Forina et al., PARVUS (1988), UCI Wine recognition data, as bundled with scikit-learn.
    """
    return _classes("wine_data.csv", "load_wine", ("class_0", "class_1", "class_2"))


@data("breast_cancer")
def breast_cancer() -> Table:
    """569 tumours, malignant (0) or benign (1): 30 measurements of cell nuclei, from 0 to 4254; see `standardise`.

    inputs [569, 30], targets [569].
    Source: Wolberg, Street and Mangasarian, UCI Breast Cancer Wisconsin (1995), as bundled with scikit-learn.
    """
    return _classes("breast_cancer.csv", "load_breast_cancer", ("malignant", "benign"))


@data("diabetes")
def diabetes() -> Table:
    """442 patients: age, sex, body mass index, blood pressure, 6 blood values; how far the disease went in a year.

    inputs [442, 10] in units of their own, from 1 to 301 (see `standardise`); targets [442, 1], from 25 to 346.
    Source: Efron, Hastie, Johnstone and Tibshirani, Least angle regression (2004), as bundled with scikit-learn.
    """
    import numpy as np
    import torch

    inputs, targets = bundled_file("diabetes_data_raw.csv.gz"), bundled_file("diabetes_target.csv.gz")
    if inputs is None or targets is None:
        return _from_sklearn("load_diabetes", scaled=False)
    X, y = np.loadtxt(inputs), np.loadtxt(targets)
    return Table(torch.from_numpy(X), torch.from_numpy(y).unsqueeze(1))


def _classes(name: str, loader: str, class_names: tuple[str, ...] = ()) -> Table:
    """Return a file whose first line is a title, whose last column is the class."""
    import numpy as np
    import torch

    path = bundled_file(name)
    if path is None:
        return replace(_from_sklearn(loader), class_names=class_names)
    rows = np.loadtxt(path, delimiter=",", skiprows=1)
    return Table(torch.from_numpy(rows[:, :-1]), torch.from_numpy(rows[:, -1]).long(), class_names=class_names)


def _from_sklearn(loader: str, **settings: Any) -> Table:
    """Return the set by scikit-learn's own function, where its files are not where they used to be."""
    import sklearn.datasets
    import torch

    bunch = getattr(sklearn.datasets, loader)(**settings)
    targets = torch.from_numpy(bunch.target)
    return Table(torch.from_numpy(bunch.data), targets.unsqueeze(1) if targets.is_floating_point() else targets.long())
