"""Makes the picture of README from a search: its verdict and leaderboard, as a terminal shows them.

    actsearch search relu,elu,sigmoid --data digits --layers 30 --epochs 10 --executions 5 --directory /tmp/digits
    python docs/scripts/pictures.py /tmp/digits docs/pictures/verdict.png

It needs Chromium.
"""

import argparse
import io
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

import actsearch
from actsearch.reports import text_report

WIDTH = 100  # columns
_COLOURS = {"▲": "#8fce8b", "▼": "#f08c8c", "✗": "#f08c8c"}
_PAGE = """<!DOCTYPE html><html><head><meta charset="utf-8"><style>
body {{ margin: 0; background: #1e2430; }}
pre {{ margin: 0; padding: 18px 24px; color: #d8dee9; font: 15px/1.45 "DejaVu Sans Mono", monospace; }}
.prompt {{ color: #8fbcbb; }}
</style></head><body><pre><span class="prompt">$ {command}</span>

{text}</pre></body></html>"""


def page_of(directory: Path, command: str) -> str:
    """Returns a page with the result of a search."""
    result = actsearch.load_result(directory)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for number, line in enumerate(text_report(result.record, result.verdict, width=WIDTH).splitlines()):
        is_row = sum(line.count(mark) for mark in _COLOURS) == 1  # the legend has several
        style = _COLOURS.get(line[:1], "") if is_row else "" if number else "bold #ffffff"
        console.print(Text(line, style=style), soft_wrap=True)
    return _PAGE.format(command=command, text=console.export_html(inline_styles=True, code_format="{code}"))


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--height", type=int, default=325)
    options = parser.parse_args()
    command = "actsearch search relu,elu,sigmoid --data digits --layers 30 --epochs 10 --executions 5"
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(page_of(options.directory, command), "utf-8")
        size = f"--window-size=960,{options.height}"
        chromium = [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            "--force-device-scale-factor=2",
            size,
        ]
        subprocess.run([*chromium, f"--screenshot={options.picture.absolute()}", page.as_uri()], check=True)


if __name__ == "__main__":
    main()
