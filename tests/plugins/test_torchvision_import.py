"""torchvision can be imported, whatever build of torch it was compiled for."""

from __future__ import annotations

import subprocess
import sys


def test_torchvision_is_imported_without_a_warning_and_makes_models_transforms_and_data() -> None:
    program = """
from xprun.plugins.torchvision_import import import_torchvision
torchvision = import_torchvision()
assert import_torchvision() is torchvision
from torchvision.transforms.v2 import PILToTensor
torchvision.models.squeezenet1_1(num_classes=2)
image, label = torchvision.datasets.FakeData(1, (1, 4, 4), transform=PILToTensor())[0]
assert image.shape == (1, 4, 4)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
