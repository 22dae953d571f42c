"""`merge`: the runs of several output folders in one, as if one command had trained them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from xprun.runner.cli.options import debug_option
from xprun.runner.cli.output_folders import output_folder
from xprun.runner.cli.terminal import complain, say

VERSIONS = ("xprun", "python", "torch")


@click.command()
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FOLDER...")
@debug_option
def merge(out: Path, folders: tuple[Path, ...]) -> None:
    """Put the runs of output folders into one.

    The folders are those of shards (--shard), or any others; they stay as they are. Every run is verified by its
    checksum. Folders of differing specs or versions, and runs that several folders have, are told.
    """
    from xprun.runner.status.status_reader import rebuild
    from xprun.runner.store.folder_lock import hold
    from xprun.runner.store.merging import merge_stores

    for folder in folders:
        output_folder(folder)
    if out in folders:
        raise click.UsageError(f"{out} is to be written, and cannot be one of the folders that are read")
    for text in (*_differing_specs(folders), *_differing_versions(folders)):
        complain(f"note: {text}")
    with hold(out):
        merged = merge_stores(out, folders)
        planned, missing = rebuild(out, folders)
    for text in merged.notes:
        complain(f"note: {text}")
    for folder, runs in merged.by_folder.items():
        say(f"{folder}: {runs:,} runs")
    say(
        f"wrote {out}: {merged.runs:,} runs{f', {missing:,} of the {planned:,} planned are missing' if missing else ''}"
    )
    then = "trains them" if missing else "trains none of these again"
    say(f"next: xprun SPEC -o {out} {then}, and writes the report")


def _differing_specs(folders: Iterable[Path]) -> Iterator[str]:
    """Yield which folders hold another spec than the first, as it was run."""
    first, *others = folders
    for folder in others:
        if _text(folder / "spec.toml") != _text(first / "spec.toml"):
            yield f"{folder} is of another spec than {first}; the tables are those of the spec of {first}"


def _differing_versions(folders: Iterable[Path]) -> Iterator[str]:
    """Yield which folders were trained by other versions than the first."""
    first, *others = folders
    known = _versions(first)
    for folder in others:
        found = _versions(folder)
        if other := [f"{name} {found[name]} and not {known[name]}" for name in VERSIONS if found[name] != known[name]]:
            yield f"{folder} was trained with {', '.join(other)} as {first}; numbers may differ in their last digits"


def _versions(folder: Path) -> dict[str, Any]:
    import json

    content: Any = {}
    with suppress(ValueError):
        content = json.loads(_text(folder / "environment.json") or "{}")
    content = content if isinstance(content, dict) else {}
    packages = content.get("packages")
    return {
        **dict.fromkeys(VERSIONS),
        **content,
        "torch": packages.get("torch") if isinstance(packages, dict) else None,
    }


def _text(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8")
    return ""
