"""Something to start from: a commented spec, the schema by which editors complete it, a plugin package."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from xprun.errors import Error
from xprun.specs.language.library import shipped_specs
from xprun.specs.language.wording import did_you_mean

if TYPE_CHECKING:
    from xprun.plugins.registry import Registry

SCHEMA_FILE = "xprun.schema.json"
HEADER = f"#:schema ./{SCHEMA_FILE}\n"
PLACEHOLDER = "my_plugin"  # what the plugin in the template is called

SPEC = """\
title = "What this compares"

[data]
name = "digits"            # `xprun ls data` lists the data sets, `xprun describe digits` the settings of one
valid = 0.2                # the share of the rows that is held out
batch_size = 64            # or "full"

[model]
layers = [                 # torch.nn layers, one after the other
  { name = "Linear", in_features = 64, out_features = 32 },
  { name = "ReLU" },
  { name = "Linear", in_features = 32, out_features = 10 },
]

[loss]
name = "CrossEntropyLoss"

[[optimizer]]              # a section that is written several times is a set of alternatives
name = "SGD"
lr = { logspace = [0.01, 1.0], num = 3 }  # a setting may be a sweep: grid, linspace, logspace, range
momentum = { grid = [0.0, 0.9] }

[[optimizer]]
name = "Adam"
lr = { logspace = [0.001, 0.1], num = 3 }

[run]
epochs = 10                # or steps = 1000
seeds = 3                  # 0, 1, 2: the same start and the same batches for every alternative
metrics = ["accuracy"]

[confirm]                  # then the best setting of each alternative on fresh seeds, since these chose it
seeds = 10

[compare]                  # what ranks the alternatives
metric = "valid.accuracy"
target = 0.95              # how soon is it reached?
"""


class StarterError(Error):
    """Nothing was started: something is in the way, or a name makes no sense."""

    exit_code = 2


def start_spec(file: Path, source: str | None, registry: Registry) -> list[Path]:
    """Write a commented spec, or a copy of a shipped one, and the schema beside it; return what was written."""
    text = SPEC if source is None else _shipped(source)
    if file.exists():
        raise StarterError(f"{file} is there already; give another name: xprun init FILE")
    schema = write_schema(file.with_name(SCHEMA_FILE), registry)
    return [_write(file, HEADER + text), schema]


def write_schema(file: Path, registry: Registry) -> Path:
    """Write the JSON Schema of specs with all components of the registry."""
    return _write(file, schema_text(registry))


def schema_text(registry: Registry) -> str:
    """Return the schema as JSON, one definition a line."""
    from xprun.runner.resolve.json_schema import make_schema

    schema = make_schema(registry)
    parts = [f"    {json.dumps(name)}: {_compact(value)}" for name, value in schema.pop("$defs").items()]
    head = json.dumps(schema, indent=1, ensure_ascii=False)[:-2]
    return head + ',\n "$defs": {\n' + ",\n".join(parts) + "\n }\n}\n"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def start_plugin(name: str, folder: Path) -> list[Path]:
    """Write a small distribution with one optimizer and its test into the folder; return what was written."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise StarterError(f"{name!r} is no name for a distribution: write letters, digits, - and _, a letter first")
    if folder.exists():
        raise StarterError(f"{folder} is there already; give another name")
    module = name.lower().replace("-", "_")
    template = Path(__file__).parent / "plugin_template"
    for file in sorted(path for path in template.iterdir() if path.is_file()):  # pip leaves bytecode beside them
        text = file.read_text(encoding="utf-8").replace(PLACEHOLDER, module)
        _write(folder / file.name.replace(PLACEHOLDER, module), text)
    return sorted(folder.iterdir())


def _write(file: Path, text: str) -> Path:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StarterError(f"{file}: cannot be written: {error.strerror}") from None
    return file


def _shipped(name: str) -> str:
    known = shipped_specs()
    if name not in known:
        raise StarterError(
            f"there is no shipped spec {name!r}{did_you_mean(name, known)}\nthere are {', '.join(known)}"
        )
    return known[name].read_text(encoding="utf-8")
