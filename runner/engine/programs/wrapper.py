"""A program in the place of another, all of which it passes on but what it does otherwise."""

from __future__ import annotations

from typing import Any

from xprun.runner.engine.programs.program import Program


class ProgramWrapper:
    """Stands for a program before the loop and the optimizers; a subclass changes what it is about."""

    def __init__(self, program: Program) -> None:
        self.program: Any = program

    def __getattr__(self, name: str) -> Any:
        return getattr(self.program, name)
