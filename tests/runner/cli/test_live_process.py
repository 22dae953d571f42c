"""The process that serves the live page runs nothing of the working directory, and ends with its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
STAND_INS = ("pickle", "multiprocessing", "socket", "json", "pandas")  # modules as students call theirs


def test_modules_of_the_working_directory_are_not_imported_and_nothing_is_left(
    tmp_path: Path, write: Callable[[str], Path], line_spec: str
) -> None:
    for name in STAND_INS:
        code = f"from pathlib import Path\nPath({str(tmp_path)!r}, 'ran-{name}').touch()\n"
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    spec = write(line_spec.replace("steps = 5", "steps = 100_000_000") + 'engine = "alone"\n')
    script = tmp_path / "bin" / "xprun"  # as pip installs it
    script.parent.mkdir()
    script.write_text(
        "from xprun.runner.cli.main import main\nif __name__ == '__main__':\n    main()\n", encoding="utf-8"
    )
    command = [sys.executable, str(script), str(spec), "--live-at", "0"]
    environment = {**os.environ, "XPRUN_JOBS": "1"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as xprun:
        assert xprun.stderr
        address = xprun.stderr.readline().removeprefix("live: ").strip()
        with urllib.request.urlopen(f"{address}progress.json", timeout=60) as answer:
            assert json.load(answer)["state"] == "running"
        xprun.send_signal(signal.SIGKILL)
        xprun.wait(60)
        for _ in range(600):
            try:
                urllib.request.urlopen(address, timeout=60).close()
            except OSError:
                break
            time.sleep(0.1)
        else:
            raise AssertionError("it still serves")
    assert not list(tmp_path.glob("ran-*"))
