"""A command that takes specs: what other tools would call a setting or an option is told in xprun's words."""

from __future__ import annotations

import os
import shlex
from typing import Any

import click

SET, LISTS = "--set", "a list of values is a sweep, without any option: --set 'optimizer.lr=[0.1, 0.2]'"
# Options of other tools that are settings of a spec.
SETTINGS = {
    "seed": "run.seeds",
    "random-seed": "run.seeds",
    "seeds": "run.seeds",
    "epochs": "run.epochs",
    "max-epochs": "run.epochs",
    "num-epochs": "run.epochs",
    "n-epochs": "run.epochs",
    "steps": "run.steps",
    "max-steps": "run.steps",
    "iterations": "run.steps",
    "metrics": "run.metrics",
    "precision": "run.autocast",
    "amp": "run.autocast",
    "clip-norm": "run.clip_norm",
    "gradient-clip-val": "run.clip_norm",
    "lr": "optimizer.lr",
    "learning-rate": "optimizer.lr",
    "momentum": "optimizer.momentum",
    "weight-decay": "optimizer.weight_decay",
    "wd": "optimizer.weight_decay",
    "batch-size": "data.batch_size",
    "bs": "data.batch_size",
    "optimizer": "optimizer.name",
    "optim": "optimizer.name",
    "model": "model.name",
    "arch": "model.name",
    "data": "data.name",
    "dataset": "data.name",
    "loss": "loss.name",
    "scheduler": "scheduler.name",
    "name": "name",
    "title": "title",
    "exp-name": "name",
    "experiment": "name",
    "run-name": "name",
}
# Options of other tools that are options here; {} is the value.
OPTIONS = {
    "gpu": "--device cuda:{}",
    "gpus": "--device cuda",
    "gpu-id": "--device cuda:{}",
    "devices": "--device cuda",
    "cuda": "--device cuda",
    "accelerator": "--device {}",
    "cpu": "--device cpu",
    "no-cuda": "--device cpu",
    "workers": "--jobs {}",
    "num-workers": "--jobs {}",
    "n-jobs": "--jobs {}",
    "max-workers": "--jobs {}",
    "out": "--output {}",
    "outdir": "--output {}",
    "output-dir": "--output {}",
    "out-dir": "--output {}",
    "save-dir": "--output {}",
    "log-dir": "--output {}",
    "logdir": "--output {}",
    "folder": "--output {}",
    "force": "--rerun all",
    "overwrite": "--rerun all",
    "retry": "--rerun failed",
    "silent": "--quiet",
    "plugins": "--plugin {}",
    "import": "--plugin {}",
}
# Options of other tools of which there is no need.
ANSWERS = {
    "multirun": LISTS,
    "sweep": LISTS,
    "m": LISTS,
    "resume": "run the same command again: only the missing runs are trained",
    "continue": "run the same command again: only the missing runs are trained",
    "resume-from-checkpoint": "run the same command again: only the missing runs are trained",
    "dry-run": "xprun plan SPEC shows what would run",
    "n": "xprun plan SPEC shows what would run",
    "config": "a spec is given without an option: xprun {}",
    "config-name": "a spec is given without an option: xprun {}",
    "config-file": "a spec is given without an option: xprun {}",
    "spec": "a spec is given without an option: xprun {}",
    "cfg": "a spec is given without an option: xprun {}",
    "c": "a spec is given without an option: xprun {}",
    "f": "a spec is given without an option: xprun {}",
    "list": "xprun ls lists the components",
}


class SpecCommand(click.Command):
    """A command with specs as its arguments, and `--set`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:  # the shell asks for completions
            return super().parse_args(ctx, args)
        given = list(args)
        _refuse_split_settings(given)
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            fix = _fix_of(error.option_name, given)
            if not fix:
                raise
            raise click.UsageError(f"there is no option {error.option_name}: {fix}", ctx) from None
        for word in ctx.params.get("specs", ()):
            _refuse_setting(str(word), ctx)
        return rest


def _refuse_split_settings(args: list[str]) -> None:
    """Raise UsageError where a shell has split the value of `--set`, or a space stands in the place of `=`."""
    for i, word in enumerate(args[:-1]):
        if word != SET:
            continue
        text, behind = args[i + 1], args[i + 2] if i + 2 < len(args) else ""
        from xprun.specs.language.dotted_paths import parse_dotted
        from xprun.specs.language.overrides import option

        if "=" not in text and behind and "=" not in behind and not _is_file(behind) and not behind.startswith("-"):
            if parse_dotted(text):
                raise click.UsageError(f"{SET} takes one word: {option(text, behind)}")
        elif _is_open(text) and behind:
            joined = text
            for more in args[i + 2 :]:
                joined += f" {more}"
                if not _is_open(joined):
                    raise click.UsageError(
                        f"the shell has split a value at its spaces; quote it: {SET} {shlex.quote(joined)}"
                    )


def _is_open(text: str) -> bool:
    return any(text.count(opening) > text.count(closing) for opening, closing in ("[]", "{}", "()"))


def _refuse_setting(word: str, ctx: click.Context) -> None:
    """Raise UsageError for a word that sets something, as words of Hydra do: `optimizer.lr=0.1`."""
    if _is_file(word) or not ("=" in word or word.startswith(("+", "~"))):
        return
    from xprun.specs.language.dotted_paths import parse_dotted
    from xprun.specs.language.overrides import option

    key, equals, value = word.lstrip("+").partition("=")
    if word.startswith("~"):
        fix = option("unset", key[1:])
    elif parse_dotted(key) is None or not equals:
        return
    else:
        fix = option(key, _plain(key, value))
    raise click.UsageError(f"{word} is not a spec; settings are changed with {SET}: {fix}", ctx)


def _plain(key: str, value: str) -> str:
    """Return a value as `--set` takes it, where another tool writes a sweep in words of its own."""
    from xprun.specs.language.other_notations import meant_by, several

    meant = several(value) or meant_by(value)
    return meant.toml if meant and meant.toml and key else value


def _value_behind(name: str, args: list[str], *, is_file: bool = False) -> str:
    """Return the value that stands behind an option, or nothing; what is a file belongs to few of them."""
    for word, behind in zip(args, [*args[1:], ""], strict=True):
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
        if word == name and not behind.startswith("-") and (is_file or not _is_file(behind)):
            return behind
    return ""


def _fix_of(name: str, args: list[str]) -> str:
    """Return what to write in the place of an option of another tool, or nothing where that is unclear."""
    from xprun.specs.language.dotted_paths import parse_dotted
    from xprun.specs.language.overrides import option
    from xprun.specs.language.schema import RunSettings

    bare = name.lstrip("-")
    word = bare.lower().replace("_", "-")
    value = _value_behind(name, args, is_file=word in ANSWERS)
    if word in ANSWERS:
        return ANSWERS[word].format(value or "SPEC")
    if word in OPTIONS:
        kind = {"gpu": "cuda"}.get(value, value) if word == "accelerator" else value
        return f"write {OPTIONS[word].format(kind).rstrip(':').rstrip()}"
    own = f"run.{bare}" if bare in RunSettings.model_fields else ""
    key = SETTINGS.get(word, bare if "." in bare else own)
    if not key or parse_dotted(key) is None:
        return ""
    if word in ("seed", "random-seed") and value.isdigit():
        value = f"[{value}]"
    return f"write {option(key, _plain(key, value) if value else 'VALUE')}"


def _is_file(word: Any) -> bool:
    return bool(word) and (os.path.exists(word) or str(word).endswith(".toml"))  # noqa: PTH110 - any word is allowed
