"""The catalogue in the reference: every activation with formula, picture, moments, parameters and paper."""

import io
import re
from collections.abc import Iterator

import matplotlib as mpl

from actsearch.activations import Activation, get, names, second_moment
from actsearch.activations.moments import slope_second_moment
from actsearch.visualization import plot_activation

FOLDER = "reference/activations"
FAMILIES = {
    "linear": "Linear",
    "relu": "ReLU",
    "prelu": "Slopes below zero",
    "elu": "Exponentials below zero",
    "selu": "Self-normalising functions",
    "sigmoid": "Saturating functions",
    "smooth": "Smooth functions",
    "shrink": "Shrinking functions",
}
_ABOUT = """# Activations

Every function of the catalogue. z stands for a standard normal number, which is what a site receives from a wide layer
with the matched initializer.

- **E f²**: the mean square of the function. Weights of variance 1 / (fan-in · E f²) keep the signal's size from layer
  to layer: that is the matched initializer, `VarianceScaling(scale, "fan_in")` with the scale below.
- **Gradient per layer**: E f′² / E f², by which a layer multiplies the squared gradient on its way back. Below 1 it
  shrinks with depth, above 1 it grows. Over 20 layers the factor is its 20th power.
  `benchmarks/signal_propagation.py` measured it for each function.

`actsearch activations NAME` shows the same in a terminal."""


def activation_pages() -> Iterator[tuple[str, str | bytes]]:
    """Yields the page of the catalogue, and the picture of each activation."""
    entries = [get(name) for name in names() if get(name).family in FAMILIES]
    parts = [_ABOUT, _table(entries)]
    for family, title in FAMILIES.items():
        parts.append(f"## {title}")
        for entry in (each for each in entries if each.family == family):
            parts += [_section(entry)]
            yield f"{FOLDER}/{entry.name}.svg", picture(entry.name)
    yield "reference/catalogue.md", "\n\n".join(parts) + "\n"


def picture(name: str) -> bytes:
    """Draws an activation as SVG, the same bytes each time."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        plot_activation(name).savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _table(entries: list[Activation]) -> str:
    rows = [
        f"| [`{e.name}`](#{e.name}) | {_text(e.formula)} | {'yes' if e.learns else ''} | {_source(e.reference)} |"
        for e in entries
    ]
    return "\n".join(["| name | f(x) | learns | source |", "|---|---|---|---|", *rows])


def _section(entry: Activation) -> str:
    moment = second_moment(entry)
    facts = [
        ("Formula f(x)", _text(entry.formula)),
        ("E f²", f"{moment:.6g}"),
        ("Matched scale", f"{1 / moment:.6g}"),
        ("Gradient per layer", f"{slope_second_moment(entry) / moment:.6g}"),
        ("Dropout", "`AlphaDropout`" if entry.alpha_dropout else "`Dropout`"),
        *((f"`{name}`", _parameter(entry, name)) for name in entry.parameters),
        ("Source", _source(entry.reference)),
    ]
    lines = [f"### {entry.name}", "", *([entry.function.__doc__ or "", ""]), "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in facts]
    return "\n".join([*lines, "", f"![{entry.name} and its derivative](activations/{entry.name}.svg){{.plot}}"])


def _parameter(entry: Activation, name: str) -> str:
    parameter = entry.parameters[name]
    usual = f"{parameter.low:.4g} to {parameter.high:.4g}"
    return f"{_text(parameter.meaning)}; {parameter.default:.4g}, usually from {usual}"


def _text(text: str) -> str:
    """Escapes what Markdown would read as structure."""
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;").replace("_", "\\_")


def _source(text: str) -> str:
    return re.sub(r"arXiv (\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", _text(text))
