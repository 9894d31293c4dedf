"""`actsearch advise`: lists problems of a model without training it."""

from pathlib import Path
from typing import Annotated

import typer


def advise(
    path: Annotated[Path, typer.Argument(help="A model in a .keras file.")],
    data: Annotated[
        str | None, typer.Option(help="Data as for `search`, to check the targets too.", show_default=False)
    ] = None,
    target: Annotated[str | None, typer.Option(help="Column to learn, for .csv and .parquet.")] = None,
) -> None:
    """List problems with the activations, output and loss of a model."""
    from actsearch._startup import load_tensorflow

    load_tensorflow()
    from actsearch.data import load_data
    from actsearch.diagnostics import advice
    from actsearch.swap.user_model import load_user_model

    model = load_user_model(path)
    issues = advice.advise(model, None if data is None else load_data(data, target=target).y_train)
    for issue in issues:
        print(issue)
    if not issues:
        print(f"{path}: no problems found with its activations, output and loss.")
