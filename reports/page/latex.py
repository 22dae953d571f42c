"""The tables of a report in LaTeX, as a paper includes them: `\\input{tables/ranking.tex}`."""

from collections import Counter

from xprun.reports.page.report_page import Page
from xprun.reports.presentation.formatting import Listing, visible
from xprun.reports.sections.blocks import Grid

LONGEST = 200  # rows of a table that somebody might print
ESCAPES = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "[": "{[}",  # which behind the end of a row would be a length
    "*": "{*}",  # which there would forbid to break the page
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{INFINITY}": r"$\infty$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{MIDDLE DOT}": r"$\cdot$",
    "\N{EN DASH}": "--",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
}


def render_tables(page: Page) -> dict[str, str]:
    """By file name: each table that a section shows at once, as a `tabular` that needs the package booktabs.

    A file is called as its section: `ranking`, `sensitivity`, `sensitivity-2`.
    """
    found: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for section in page.sections:
        for part in section.parts:
            if isinstance(part, Grid) and 0 < len(part.listing.rows) <= LONGEST:
                seen[section.id] += 1
                number = f"-{seen[section.id]}" if seen[section.id] > 1 else ""
                found[f"{section.id}{number}"] = _tabular(part.listing, part.caption)
    return found


def _tabular(listing: Listing, caption: str) -> str:
    head, *rows = (" & ".join(map(escape_latex, row)) + r" \\" for row in [listing.head, *listing.rows])
    lines = [
        f"% {' '.join(caption.split())}",
        rf"\begin{{tabular}}{{{''.join('r' if number else 'l' for number in listing.number)}}}",
        r"\toprule",
        head,
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def escape_latex(text: str) -> str:
    """A text in one line in which nothing is a command."""
    return "".join(ESCAPES.get(character, character) for character in " ".join(visible(text).split()))
