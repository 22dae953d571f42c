"""Weights & Biases reads from an offline run what was measured, and nothing is sent."""

from __future__ import annotations

import importlib.util
import json
import struct
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("wandb") is None, reason="wandb is not installed: pip install 'xprun[wandb]'"
)
PROGRAM = """
import sys
from pathlib import Path
from xprun.plugins.observers.wandb_offline import wandb
history = {"loss": (range(1, 6), [1.0, 0.5, 0.25, 0.2, 0.1]), "valid.mae": ([2, 4], [0.3, 0.2])}
wandb()(Path(sys.argv[1]), {"optimizer": "SGD", "optimizer.lr": 0.1}, history, {"final.valid.mae": 0.2}, run="abc")
"""


BLOCK, HEAD, CHUNK_HEAD = 32768, 7, struct.Struct("<IHB")  # of LevelDB's log format: checksum, length, kind
LAST = (1, 4)  # kinds of chunks: the only one of a record, and the last


def records(content: bytes) -> list[bytes]:
    """Return the records of a log in LevelDB's format, in which wandb writes what it would send."""
    found, parts, at = [], b"", HEAD
    while at + CHUNK_HEAD.size <= len(content):
        if BLOCK - at % BLOCK < CHUNK_HEAD.size:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = CHUNK_HEAD.unpack_from(content, at)
        parts += content[at + CHUNK_HEAD.size : at + CHUNK_HEAD.size + length]
        at += CHUNK_HEAD.size + length
        if kind in LAST:
            found.append(parts)
            parts = b""
    return found


def read(folder: Path) -> dict[str, list[dict[str, object]]]:
    """Return the items that were recorded, by the kind of the record."""
    from wandb.proto.wandb_internal_pb2 import Record

    [path] = folder.glob("wandb/offline-run-*/run-abc.wandb")
    found: dict[str, list[dict[str, object]]] = defaultdict(list)
    for content in records(path.read_bytes()):
        record = Record.FromString(content)
        items = {"history": record.history.item, "summary": record.summary.update, "run": record.run.config.update}
        kind = record.WhichOneof("record_type")
        if kind in items:
            found[kind].append({one.key or ".".join(one.nested_key): json.loads(one.value_json) for one in items[kind]})
    return found


def test_an_offline_run_holds_the_curves_the_settings_and_the_results(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], check=True, timeout=300)
    found = read(tmp_path)
    assert [(row["_step"], row["loss"], row.get("valid.mae")) for row in found["history"]] == [
        (1, 1.0, None),
        (2, 0.5, 0.3),
        (3, 0.25, None),
        (4, 0.2, 0.2),
        (5, 0.1, None),
    ]
    assert any(items.get("final.valid.mae") == 0.2 for items in found["summary"])
    assert found["run"][0]["optimizer.lr"] == 0.1
