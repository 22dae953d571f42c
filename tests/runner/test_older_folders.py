"""A folder that the first version wrote is taken up again: what is trained in it is not trained a second time."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from support.older_folders import NAMES, SCHEMA_1, copy_of
from xprun.runner.cli.main import main


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_the_first_version_resumes(name: str, tmp_path: Path) -> None:
    folder, known = copy_of(name, tmp_path), pd.read_csv(SCHEMA_1 / name / "results.csv", dtype={"run": str})
    result = CliRunner().invoke(main, [str(folder / "spec.toml"), "-o", str(folder)])
    assert result.exit_code == 0, result.output
    assert f"{len(known)} cached, 0 to run" in result.stderr
    written = pd.read_csv(folder / "results.csv", dtype={"run": str})
    pd.testing.assert_frame_equal(written[list(known)], known)
    assert (folder / "report.html").is_file()
