"""Two thermometers side by side: eleven readings."""

from __future__ import annotations

from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import data

FAHRENHEIT = (35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4)
CELSIUS = (0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0)


@data("thermometer")
def thermometer() -> Table:
    """Eleven readings of a thermometer without a unit, to be turned into degrees Celsius.

    inputs [11, 1] (Fahrenheit), targets [11, 1] (Celsius).
    Source: Stevens, Antiga and Viehmann, Deep Learning with PyTorch (2020), chapter 5.
    """
    import torch

    return Table(torch.tensor(FAHRENHEIT).unsqueeze(1), torch.tensor(CELSIUS).unsqueeze(1))
