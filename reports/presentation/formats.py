"""The forms in which a report is written."""

FORMATS = {
    "html": "one page with everything in it",
    "md": "a page for a pull request, with the plots as PNG",
    "latex": "the tables, for \\input in a paper",
    "pdf": "each plot, for a paper",
}
DEFAULT = ("html", "md")


def read_formats(text: str) -> tuple[str, ...]:
    """`html,pdf` as names, each once. `ValueError` for a word that is none."""
    names = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    unknown = [name for name in names if name not in FORMATS]
    if unknown:
        raise ValueError(f"there is no format {unknown[0]!r}; there are {', '.join(FORMATS)}")
    return names
