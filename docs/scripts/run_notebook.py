"""Runs the cells of a notebook and stores what they show, without Jupyter.

    python docs/scripts/run_notebook.py examples/notebooks/*.ipynb

What a cell prints, the value of its last line, and figures are stored as Jupyter stores them. Progress is not.
"""

import ast
import base64
import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def run_cells(notebook: dict[str, Any]) -> None:
    """Runs all cells of a notebook in the working directory, and replaces their outputs."""
    namespace: dict[str, Any] = {"__name__": "__notebook__"}
    number = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            number += 1
            cell["execution_count"] = number
            cell["outputs"] = list(_outputs("".join(cell["source"]), namespace, number))


def _outputs(code: str, namespace: dict[str, Any], number: int) -> Any:
    module = ast.parse(code)
    last = module.body.pop() if module.body and isinstance(module.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(module, f"cell {number}", "exec"), namespace)
        value = None if last is None else eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), namespace)
    if printed.getvalue():
        yield {"output_type": "stream", "name": "stdout", "text": printed.getvalue().splitlines(keepends=True)}
    if value is not None:
        yield {"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": _shown(value)}


def _shown(value: Any) -> dict[str, Any]:
    """Returns a value in the forms that a notebook chooses from."""
    data: dict[str, Any] = {"text/plain": repr(value).splitlines(keepends=True)}
    if isinstance(value, Figure):
        buffer = io.BytesIO()
        value.savefig(buffer, format="png", dpi=80, bbox_inches="tight")
        data["image/png"] = base64.b64encode(buffer.getvalue()).decode()
    elif hasattr(value, "_repr_html_"):
        data["text/html"] = value._repr_html_().splitlines(keepends=True)
    return data


def main(paths: list[str]) -> None:
    """Runs notebooks, each in a folder of its own, and writes them back."""
    for path in map(Path, paths):
        path = path.absolute()
        notebook = json.loads(path.read_text("utf-8"))
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            run_cells(notebook)
            os.chdir(path.parent)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
