"""`actsearch advise`: what is wrong with a model, without training it."""

from pathlib import Path


def run(path: Path, source: str | None, target: str | None) -> None:
    """Prints the issues on the model of a `.keras` file, the worst first."""
    from actsearch._startup import load_tensorflow

    load_tensorflow()
    from actsearch.data import load_data
    from actsearch.diagnostics.advice import advise
    from actsearch.swap.user_model import load_user_model

    model = load_user_model(path)
    issues = advise(model, None if source is None else load_data(source, target=target).y_train)
    for issue in issues:
        print(issue)
    if not issues:
        print(f"{path}: nothing is wrong with its activations, output and loss.")
