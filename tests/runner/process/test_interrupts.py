"""Signals that come faster than Python looks at them are not lost."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, time
from xprun.runner.process.interrupts import ending_at_once, interruptible
numbers = [int(word) for word in sys.argv[1:]]
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it, as `nohup` does
with ending_at_once(), interruptible() as interrupts:
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    for number in numbers:
        os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)  # they arrive together
    time.sleep(0.01)
print(f"taken: {interrupts.number}")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_one_interrupt_waits_and_a_second_one_that_comes_with_it_ends_the_process() -> None:
    def run(*numbers: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", PROGRAM, *map(str, numbers)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    one, two = run(signal.SIGTERM), run(signal.SIGINT, signal.SIGHUP)
    assert (one.returncode, one.stdout) == (0, f"taken: {int(signal.SIGTERM)}\n"), one.stderr
    assert two.returncode in (-signal.SIGINT, -signal.SIGHUP), two.stderr
