"""The English of public texts: help, messages, docstrings of public names, README and docs, held to a list of words.

The list has what a native technical writer would not write, each with what to write instead. It grows: what a reader
stumbles over goes on it.
"""

import ast
import re
from pathlib import Path

import pytest

import actsearch

PACKAGE = Path(actsearch.__file__).parent
ROOT = PACKAGE.parent
BANNED = {
    r"(?<![Tt]here )\bis no (?!longer\b|more\b|better\b|worse\b)": "is not a",
    r"\bleav(e|es|ing) (?:it |them |\S+ )?out\b|\bleft out\b": "omit",
    r"\bgo(?:es|ing)? on\b|\bwent on\b": "resume, continue",
    r"\bat once\b": "concurrently, immediately",
    r"\banew\b": "again, new",
    r"\bstands? twice\b": "is a duplicate",
    r"\bThe most \w+s\b": "Maximum number of",
    r"\b(?:is|are|was) told\b|\btells? (?:of|the user)\b|\bhears?\b": "is reported, receives",
    r"\b(?:store|server|database) is away\b": "is unreachable",
    r"\b[Nn]obody\b|\b[Ss]omebody\b": "no one, the user",
    r"\bprices?\b": "cost",
    r"\bdraw(?:s|n|ing)? (?:into|what)\b": "write, upload",
    r"\bamid\b": "during",
    r"\bbegun\b|\bbegan\b": "started",
    r"\bfor want of\b": "for lack of",
    r"\blies? (?:between|within)\b": "is between",
    r"\bof (?:its|our|their|one's) own process\b|\ba process of (?:its|our) own\b": "a separate process",
    r"\bmends?\b|\bmended\b": "fix",
    r"\bhow often\b": "how many times",
    r"\bHow often to\b": "Retries",
    r"\bTrain \S+ \S+ anew\b": "Retrain",
    r"\b[Ll]eave (?:out\b|(?:\w+ ){1,3}out\b)": "omit",
    r"\blooked through\b": "skipped, ignored",
    r"\b(?:made|make) again\b": "copied, rebuilt",
    r"\bnothing of the kind\b": "none of these",
    r"\bin the same way\b": "likewise",
    r"\bnothing is said of\b|\bsays? nothing of\b": "is not checked, is unknown",
    r"\b[Ww]hoever\b|\bwho (?:gets|asks|follows|falls)\b": "the name of what it is",
    r"\bin place of\b": "instead of",
    r"\b[Ww]hat [\w' ]{1,30} (?:is|are) called\b": "names of",
    r"\bmakes? no sense\b": "is out of range, is not valid",
    r"\bg(?:iven|ives?) up\b": "stopped, withdrawn",
    r"\b(?:an?|one) \w+ an? (?:trial|row|seed|site|epoch|execution|column|machine|file|name|command)\b": "per",
    r"\b[Ww]hat (?:\w+ ){0,3}says? of\b": "the verdict on, the description of",
    r"\b[Nn]ot one of\b": "none of",
}
MESSAGE_ERRORS = re.compile(r"\w*Error$")
SHOWN = ("Option", "Argument", "Issue", "_option", "_number", "message")  # calls whose strings a user reads


def texts_of(path: Path):
    """Messages of raised errors, help texts, and docstrings of public names: with their line."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from _strings(node.exc)
        elif isinstance(node, ast.Call) and _name(node.func) in SHOWN:
            yield from _strings(node)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            docstring = ast.get_docstring(node)
            if docstring:
                yield node.lineno, docstring


def _name(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def _strings(node: ast.AST):
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.lineno, part.value


def complaints(where: str, line: int, text: str) -> list[str]:
    plain = " ".join(text.split())
    return [
        f"{where}:{line}: {found[0]!r}, write {instead!r}: …{plain[max(found.start() - 40, 0) : found.end() + 40]}…"
        for pattern, instead in BANNED.items()
        for found in re.finditer(pattern, plain)
    ]


@pytest.mark.parametrize("room", sorted({p.relative_to(PACKAGE).parts[0] for p in PACKAGE.rglob("*.py")}))
def test_messages_help_and_public_docstrings(room):
    paths = [PACKAGE / room] if room.endswith(".py") else sorted((PACKAGE / room).rglob("*.py"))
    found = [
        complaint
        for path in paths
        for line, text in texts_of(path)
        for complaint in complaints(str(path.relative_to(ROOT)), line, text)
    ]
    assert not found, "\n" + "\n".join(found)


PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")),
]


@pytest.mark.parametrize("page", PAGES)
def test_pages(page):
    text = re.sub(r"```.*?```|`[^`]*`", "", (ROOT / page).read_text("utf-8"), flags=re.S)
    found = [c for number, line in enumerate(text.splitlines(), start=1) for c in complaints(page, number, line)]
    assert not found, "\n" + "\n".join(found)


def test_the_list_finds_what_it_is_for():
    assert complaints("x", 1, "a value stands twice")
    assert complaints("x", 1, "Nobody is told that 3 is no number")
    assert not complaints("x", 1, "It is no longer there. Omit it.")
