"""What every worker needs: imported once by the process from which they are forked (`workers/fork_server.py`)."""

from xprun.plugins.discovery import open_registry
from xprun.runner import execute, summaries, survey

__all__ = ["execute", "summaries", "survey"]

open_registry()
