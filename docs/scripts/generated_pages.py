"""An mkdocs hook that makes the reference: commands, activations with their pictures, and a page for each namespace.

Nothing that it makes is kept: it is made again by each `mkdocs build`, from the program itself. It loads no TensorFlow.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))

from activation_pages import activation_pages
from command_page import command_page
from namespace_pages import namespace_pages

_BOOSTS = {"reference/": 0.2, "design/": 0.5}


def generated() -> Iterator[tuple[str, Any]]:
    """Yields the path of each generated file, relative to `docs`, with its content."""
    yield "reference/commands.md", command_page()
    yield from activation_pages()
    yield from namespace_pages()


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lets the search list guides first: names of the reference repeat the words of most questions."""
    for folder, boost in _BOOSTS.items():
        if page.file.src_uri.startswith(folder):
            page.meta.setdefault("search", {"boost": boost})
    return markdown


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated files to those of `docs`."""
    for path, content in generated():
        files.append(File.generated(config, path, content=content))
    return files
