"""The page: sections made of blocks, rendered as HTML, Markdown and LaTeX."""
