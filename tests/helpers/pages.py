"""Code blocks of README and of the site, with what comments beside them say.

A comment directly above a block, invisible on the page, says what a test does with it:

    <!-- skip: needs a server -->    it is not run; the reason is for readers of the source
    <!-- output -->                  it is what the block before it prints
    <!-- a result -->                it shows a real result, which is not compared: it takes too long, or depends on the machine
    <!-- file: my_model.py -->       it is written to that file
    <!-- setup                       what the blocks need and readers have: run, not shown
    ...
    -->
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").rglob("*.md") if "design" not in p.parts)]
_BLOCK = re.compile(
    r"^<!-- setup\n(?P<setup>.*?)^-->$"
    r"|(?:^<!-- (?P<note>[a-z][^\n]*?) -->\n+)?^```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of a page.

    Args:
        page: Path from the root of the repository.
        line: Number of its first line.
        language: `python`, `pycon`, `bash`, `text` ...; `setup` for code that is not shown.
        note: The comment above it: `skip: ...`, `output`, `a result`, `file: ...`; empty without one.
        code: Its text.
    """

    page: str
    line: int
    language: str
    note: str
    code: str

    @property
    def is_run(self) -> bool:
        return not self.note or self.note.startswith("file:")


def blocks_of(path: Path) -> list[Block]:
    """Returns the blocks of a page, in order."""
    text = path.read_text("utf-8")
    return [
        Block(
            page=str(path.relative_to(ROOT)),
            line=text.count("\n", 0, found.start("setup" if found["setup"] is not None else "code")) + 1,
            language="setup" if found["setup"] is not None else found["language"],
            note=found["note"] or "",
            code=found["setup"] if found["setup"] is not None else found["code"],
        )
        for found in _BLOCK.finditer(text)
    ]


def commands_of(code: str) -> list[str]:
    """Returns the command lines of a bash block; continuation lines are joined, comments and empty lines omitted."""
    lines = (re.sub(r"(?:^|\s)#.*$", "", line).strip() for line in code.replace("\\\n", " ").splitlines())
    return [command.strip() for line in lines if line for command in line.split("&&")]
