"""Makes the page that a package index shows from README.md; everything else is in setup.cfg.

An index page has none of the repository's other files: pictures are omitted, and of links to files the text remains.
"""

import re
from pathlib import Path

from setuptools import setup


def index_page(text: str) -> str:
    """Returns the text of README.md without relative pictures and links."""
    text = re.sub(r"^!\[[^\]]*\]\((?!https?:)[^)]*\)\n\n?", "", text, flags=re.M)
    return re.sub(r"\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", text)


if __name__ == "__main__":
    page = index_page(Path(__file__).with_name("README.md").read_text("utf-8"))
    setup(long_description=page, long_description_content_type="text/markdown")
