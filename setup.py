"""The description on a package index: the README, with links that work there too.

Everything else stands in `pyproject.toml`. A link or picture within the repository becomes one to `Repository` of
`[project.urls]`; where the project has no such address, the words of the link remain, and the picture is left out.
"""

import re
import tomllib
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
PICTURE = re.compile(r"^!\[[^\]]*\]\((?!https?:)[^)]+\)\n+", re.MULTILINE)
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)]+)\)")


def description(readme: str, repository: str) -> str:
    """Return the README as it is shown away from the repository."""
    if not repository:
        return LINK.sub(lambda link: link[2], PICTURE.sub("", readme))

    def absolute(link: re.Match[str]) -> str:
        return f"{link[1]}[{link[2]}]({repository}/{'raw' if link[1] else 'blob'}/main/{link[3]})"

    return LINK.sub(absolute, readme)


if __name__ == "__main__":
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = description((HERE / "README.md").read_text(encoding="utf-8"), project.get("urls", {}).get("Repository", ""))
    setup(long_description=text, long_description_content_type="text/markdown")
