"""A hostile spec costs little, reads nothing outside its folder, and starts and imports nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = """
import resource, sys
{before}
from xprun.runner.cli.main import main
resource.setrlimit(resource.RLIMIT_AS, (400_000_000, 400_000_000))
try: main(["check", "spec.toml"])
except SystemExit as end: code = end.code
status = open("/proc/self/status").read()  # getrusage would tell the peak of the process that started this one
print("peak", int(status.split("VmHWM:")[1].split()[0]) // 1024)
{after}
sys.exit(code)
"""
LINE = '[data]\nname = "line"\n[model]\nname = "linear"\n[loss]\nname = "MSELoss"\n[run]\nsteps = 5\n'
OPTIMIZER = '[optimizer]\nname = "SGD"\n'

BOMBS = {
    "a grid of 10^9": LINE + OPTIMIZER + "lr = { linspace = [0.1, 1], num = 1_000_000_000 }\n",
    "10^9 seeds": LINE + "seeds = 1_000_000_000\n" + OPTIMIZER,
    "a range beyond what Python counts": LINE
    + OPTIMIZER
    + "lr = { range = [-9223372036854775808, 9223372036854775807] }\n",
    "a key of 50,000 parts": ".".join("a" * 50_000) + " = 1\n",
    "a table of 50,000 parts": "[" + ".".join("a" * 50_000) + "]\n",
    "quoted parts": ".".join(['"a.b"'] * 20_000) + " = 1\n",
    "lists 100,000 deep": "a = " + "[" * 100_000 + "]" * 100_000,
    "tables 50,000 deep": "a = " + "{a=" * 50_000 + "1" + "}" * 50_000,
    "ten megabytes": "# comment\n" * 1_000_000,
    "20,000 unknown keys": LINE + OPTIMIZER + "".join(f"k{i} = 1\n" for i in range(20_000)),
    "60,000 wrong values": LINE + "metrics = [" + "1, " * 60_000 + "]\n" + OPTIMIZER,
    "alternatives in every section": "".join(
        f'[[{section}]]\nname = "line"\n' * 2000 for section in ("data", "model", "loss", "optimizer")
    ),
    "references that double": LINE
    + OPTIMIZER
    + "[ablate]\n"
    + "".join(f'a{i} = "${{ablate.a{i + 1}}}${{ablate.a{i + 1}}}"\n' for i in range(100)),
    "a number of 200,000 digits": "a = 0x" + "f" * 200_000 + "\n",
    "a name of 200,000 letters": LINE + '[optimizer]\nname = "' + "SGD" * 66_000 + '"\n',
}


CLOCK = """
import time
started = time.process_time()
sum(i * i for i in range(1_000_000))  # a measure of how fast this machine is
loop = time.process_time() - started
started = time.process_time()
"""


def run(folder: Path, before: str = "", after: str = "") -> subprocess.CompletedProcess[str]:
    """Check `spec.toml` of a folder in a process of its own."""
    program = CHECK.format(before=before, after=after)
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_in_little_memory_and_time(tmp_path: Path, bomb: str) -> None:
    (tmp_path / "spec.toml").write_text(BOMBS[bomb], encoding="utf-8")
    done = run(tmp_path, CLOCK, "print('loops', (time.process_time() - started) / loop)")
    assert done.returncode == 2, done.stderr[-500:]
    assert "spec.toml" in done.stderr
    figures = dict(line.split() for line in done.stdout.splitlines())
    assert float(figures["peak"]) < 200  # megabytes
    assert float(figures["loops"]) < 300  # at most about 30; what grows with more than the length takes thousands


AUDIT = """
import json, os
seen = []
def note(event, args):
    if event == "open" and isinstance(args[0], str | bytes):
        seen.append([event, os.path.realpath(os.fsdecode(args[0]))])
    elif event.split(".")[0] in ("subprocess", "socket", "ctypes", "urllib", "ftplib", "smtplib", "webbrowser"):
        seen.append([event, ""])
    elif event in {"os." + name for name in "system exec fork forkpty posix_spawn spawn remove rename".split()}:
        seen.append([event, ""])
sys.addaudithook(note)
"""
REPORT = "json.dump([seen, sorted(sys.modules)], open('seen.json', 'w'))"
HOSTILE = """
extends = "bases/base.toml"
name = "../../../../tmp/x"
title = "${__class__} ${optimizer.__init__}"
[model]
name = "os.system"
start_from = "/etc/passwd"
init = { weight = { name = "__import__('os').system" } }
[[loss]]
name = "torch.nn.MSELoss"
[[loss]]
name = "../plugin.py"
[[optimizer]]
name = "SGD"
lr = { grid = ["$(id)", "`id`", "!!python/object/apply:os.system ['id']"] }
[[optimizer]]
name = "antigravity"
plugins = ["mine.py"]
"""


def test_checking_a_hostile_spec_reads_starts_and_imports_nothing_else(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    (inside / "bases").mkdir(parents=True)
    (tmp_path / "secret.toml").write_text('title = "secret"', encoding="utf-8")
    (inside / "bases/base.toml").write_text('[data]\nname = "csv"\nfile = "../../secret.toml"\n', encoding="utf-8")
    (inside / "spec.toml").write_text(HOSTILE, encoding="utf-8")
    for name in ("mine.py", "sitecustomize.py", "antigravity.py", "torch.py"):
        (inside / name).write_text("raise SystemExit('imported')", encoding="utf-8")
    done = run(inside, AUDIT, REPORT)
    assert done.returncode == 2, done.stderr
    assert "secret" not in done.stderr.replace("secret.toml", "")
    seen, modules = json.loads((inside / "seen.json").read_text(encoding="utf-8"))
    assert {event for event, _ in seen} == {"open"}
    installed = [str(Path(entry).resolve()) for entry in {sys.prefix, sys.base_prefix, *sys.path} if entry]
    sources = str(Path(__file__).parents[3].resolve())
    allowed = (*installed, sources, str(inside.resolve()), "/dev/", "/proc/")
    assert [path for _, path in seen if not path.startswith(allowed)] == []
    assert str(inside.resolve() / "bases/base.toml") in {path for _, path in seen}
    assert not {"torch", "torchvision", "pandas", "numpy", "sklearn", "antigravity", "mine"} & set(modules)


@pytest.mark.parametrize("target", ["../secret.toml", "link.toml", "{tmp}/secret.toml", "folder", "pipe"])
def test_a_base_outside_the_folder_is_not_opened(tmp_path: Path, target: str) -> None:
    inside = tmp_path / "inside"
    (inside / "folder").mkdir(parents=True)
    os.mkfifo(inside / "pipe")
    (tmp_path / "secret.toml").write_text('title = "secret"', encoding="utf-8")
    (inside / "link.toml").symlink_to(tmp_path / "secret.toml")
    (inside / "spec.toml").write_text(f'extends = "{target.format(tmp=tmp_path)}"\n', encoding="utf-8")
    done = run(inside, AUDIT, REPORT)
    assert done.returncode == 2
    seen, _ = json.loads((inside / "seen.json").read_text(encoding="utf-8"))
    assert str(tmp_path / "secret.toml") not in {path for _, path in seen}
