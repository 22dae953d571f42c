"""k-fold: `data.k_folds = 5` trains each setting once a fold, as if `data.fold` were swept from 0 to 4."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any, Final

from xprun.specs.language.diagnostics import Diagnostic
from xprun.specs.language.dotted_paths import Path
from xprun.specs.language.wording import never_swept

K_FOLDS: Final = "k_folds"
FOLD: Final = "fold"  # which of them is held out; nobody writes it


def folds_of(settings: Mapping[str, Any]) -> range:
    """Return the folds of a data set; none where it has none, or where their number is wrong."""
    number = settings.get(K_FOLDS)
    return range(number if isinstance(number, int) and number >= 2 else 0)


def fold_problems(table: Mapping[str, Any], swept: Container[str], path: Path) -> Iterator[Diagnostic]:
    """Yield what a `[data]` says of folds that nobody can say."""
    if FOLD in table:
        help_text = f'write {K_FOLDS} = 5; [[exclude]] "data.{FOLD}" = [3, 4] leaves some of them out'
        yield Diagnostic((*path, FOLD), "every fold is held out in turn, so none is named", help_text, "key")
    if K_FOLDS in swept:
        yield never_swept((*path, K_FOLDS))
