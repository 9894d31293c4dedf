"""`actsearch spaces`: lists the search spaces that ship with actsearch, or prints one."""

from pathlib import Path
from typing import Annotated

import typer
import yaml


def complete_name(incomplete: str) -> list[str]:
    """Lists the spaces whose names start with an incomplete word."""
    from actsearch.spaces import space_names

    return [name for name in space_names() if name.startswith(incomplete)]


def spaces(
    name: Annotated[
        str | None,
        typer.Argument(help="Print this space as YAML, as a start for your own.", autocompletion=complete_name),
    ] = None,
) -> None:
    """List the search spaces, or print one."""
    from actsearch.spaces import load_space, space_names
    from actsearch.spaces.yaml_loader import shipped_folder

    if name is not None and "," in name:
        print(yaml.safe_dump(load_space(name).to_dict(), sort_keys=False), end="")
        return
    if name is not None:
        load_space(name)
        file = Path(name) if name.endswith((".yaml", ".yml")) else shipped_folder() / f"{name}.yaml"
        print(file.read_text("utf-8"), end="")
        return
    from actsearch.cli.terminal import print_table

    rows = [(n, load_space(n).description, ", ".join(load_space(n).names)) for n in space_names()]
    print_table(["space", "when", "activations"], rows)
