"""The search of the site in Python, as the theme does it in the browser.

Material for MkDocs searches for each word and what starts with it, and lists pages by their best section. To lunr's score
of a section it adds how many of the words are there, and whether it is the start of a page: as in its
`assets/javascripts/workers/search.js`, version 9.
"""

import json
import re
from pathlib import Path


class SiteSearch:
    """Finds pages of a site.

    Args:
        path: Its `search_index.json`.
    """

    def __init__(self, path: Path) -> None:
        from lunr.builder import Builder
        from lunr.stop_word_filter import stop_word_filter

        known = json.loads(path.read_text("utf-8"))
        builder = Builder()
        builder.pipeline.add(stop_word_filter)
        builder.ref("location")
        for name in ("title", "text"):
            builder.field(name, known["config"]["fields"][name]["boost"])
        for section in known["docs"]:
            text = re.sub(r"<[^>]+>", " ", section["text"])
            builder.add(section | {"text": text}, {"boost": section.get("boost", 1)})
        self._index = builder.build()

    def pages(self, question: str) -> list[str]:
        """Returns the pages for what a user types, the best first."""
        words = question.lower().split()
        best: dict[str, float] = {}
        for found in self._index.search(" ".join(f"{word}*" for word in words)):
            page, _, anchor = found["ref"].partition("#")
            known = [any(term.startswith(word) for term in found["match_data"].metadata) for word in words]
            weight = (not anchor) + sum(known) / len(words)
            best[page] = max(best.get(page, 0.0), found["score"] * (1 + weight**2))
        return sorted(best, key=lambda page: -best[page])
