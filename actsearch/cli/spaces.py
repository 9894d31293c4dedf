"""`actsearch spaces`: the search spaces that there are."""

from pathlib import Path

import yaml


def run(name: str | None) -> None:
    """Lists the search spaces, or prints one as its YAML file."""
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
