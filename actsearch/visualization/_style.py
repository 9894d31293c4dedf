"""The common style of all figures: axes, row names, legends, hover texts, and colours and markers of activations."""

import io
import json
import math
import re
import textwrap
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from actsearch.activations.bound import activation_name
from actsearch.activations.catalogue import ENTRIES
from actsearch.analysis.results import Verdict
from actsearch.records import SearchRecord

WIDE, NARROW = 8.0, 3.5  # inches
MAX_ROWS, MAX_NARROW_ROWS = 60, 20
GREY = "#B0B0B0"
SMALL, _LABEL = 8, 9  # points
CHARACTER, _LABEL_CHARACTER = 0.075, 0.085  # inches
_LINE = 0.14  # inches, of small text
_MARKS = 0.26  # inches, for what is drawn in a row
_BESIDE = 4  # points, between the axis and a name
_NAME_LENGTH, _NAME_LINES = 28, 3
_LOG_FROM = 100
_NOTEBOOK_DPI = 110
TITLES = "titles:"


class PlotFigure(Figure):
    """A figure that a notebook shows by itself, also if pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=_NOTEBOOK_DPI)
        return buffer.getvalue()


def rows(names: Sequence[str], notes: Sequence[str], x_label: str, *, width: float) -> tuple[Figure, Axes, float]:
    """Makes a figure with one row per name, from the bottom, and a note to its right.

    On a narrow figure, names and notes are above their rows.

    Returns:
        The figure, its axes, and the height that marks may take to each side, in rows.
    """
    figure = PlotFigure(layout="constrained")
    axes = plain(figure.subplots())
    lines = label_x(axes, x_label, width - (2.2 if width > NARROW else 0.2))
    figure.set_size_inches(width, rows_height(names, width) + 0.35 + 0.17 * lines)
    return figure, axes, name_rows(axes, names, notes, width=width)


def most_rows(width: float) -> int:
    """Returns the maximum number of rows of a figure of this width in inches."""
    return MAX_NARROW_ROWS if width <= NARROW else MAX_ROWS


def name_rows(axes: Axes, names: Sequence[str], notes: Sequence[str] = (), *, width: float) -> float:
    """Names the rows of axes; returns the height that marks may take to each side, in rows."""
    texts, height = [shown(name) for name in names], _row_height(names, width)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_ylim(-0.15 / height, len(names) - 0.1 / height)
    if not names:
        axes.set(yticks=[], ylim=(0, 1))
        axes.text(0.5, 0.5, "nothing to show", transform=axes.transAxes, ha="center", va="center", color=INK)
    elif width > NARROW:
        axes.set_yticks(range(len(names)), texts, fontsize=SMALL)
        axes.set_ylim(-0.5, len(names) - 0.5)
        for row, note in enumerate(notes):
            _note(axes, row, note, x=1.02, above=0, ha="left", va="center")
    else:
        axes.set_yticks([])
        above = 72 * _MARKS / 2
        for row, text in enumerate(texts):
            _note(axes, row, text, x=0, right=_BESIDE, above=above, ha="left", va="bottom")
        for row, note in enumerate(notes):
            _note(axes, row, note, x=1, above=above, ha="right", va="bottom")
    return 0.3 * _MARKS / height


def rows_height(names: Sequence[str], width: float) -> float:
    """Returns the height of these rows in inches."""
    return max(len(names), 1) * _row_height(names, width)


def _row_height(names: Sequence[str], width: float) -> float:
    lines = max((shown(name).count("\n") + 1 for name in names), default=1)
    return _MARKS + lines * _LINE if width <= NARROW else max(_MARKS, lines * _LINE + 0.08)


def _note(axes: Axes, row: int, text: str, *, x: float, above: float, ha: str, va: str, right: float = 0) -> None:
    axes.annotate(
        text, (x, row), xycoords=("axes fraction", "data"), xytext=(right, above), textcoords="offset points",
        annotation_clip=False, ha=ha, va=va, fontsize=SMALL, color=INK,
    )  # fmt: skip


def area(*, width: float) -> tuple[Figure, Axes]:
    """Makes a figure for curves or points."""
    figure = PlotFigure(figsize=(width, 0.35 * width + 2.0), layout="constrained")
    return figure, plain(figure.subplots())


def plain(axes: Axes) -> Axes:
    """Styles axes: no frame, a light grid, and the colour of the page's text."""
    axes.grid(color=GREY, alpha=0.4)
    axes.set_axisbelow(True)
    axes.patch.set_visible(False)
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(INK)
    axes.tick_params(colors=INK, labelsize=SMALL)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    return axes


def figure_of(axes: Axes) -> Figure:
    """Returns the figure that contains the axes."""
    figure = axes.figure.figure  # of a subfigure, the figure that holds it
    assert isinstance(figure, Figure)
    return figure


def label_x(axes: Axes, text: str, inches: float) -> int:
    """Labels the x axis, in lines of at most this many inches; returns the number of lines."""
    label = _lines(text, inches)
    axes.set_xlabel(label, fontsize=_LABEL, color=INK)
    return label.count("\n") + 1


def label_y(axes: Axes, text: str) -> None:
    """Labels the y axis, in lines that fit its height."""
    axes.set_ylabel(_lines(text, figure_of(axes).get_size_inches()[1] - 1.2), fontsize=_LABEL, color=INK)


def legend(axes: Axes, marks: Mapping[str, Artist]) -> None:
    """Adds a legend below the axes, in as many columns as fit; the figure becomes taller by its height."""
    if not marks:
        return
    figure, names = figure_of(axes), [shown(name) for name in marks]
    width, height = figure.get_size_inches()
    longest = max(len(line) for name in names for line in name.split("\n"))
    columns = min(max(int(width / (longest * CHARACTER + 0.6)), 1), len(names))
    lines = max(name.count("\n") + 1 for name in names)
    figure.set_size_inches(width, height + 0.2 + -(-len(names) // columns) * (lines * _LINE + 0.06))
    options = {"fontsize": SMALL, "frameon": False, "labelcolor": INK}
    figure.legend(list(marks.values()), names, loc="outside lower left", ncols=columns, **options)


def fit_scale(axes: Axes, which: str, values: Sequence[float]) -> None:
    """Makes the x or y axis logarithmic if positive values differ by more than a factor of 100."""
    if values and min(values) > 0 and max(values) > _LOG_FROM * min(values):
        axes.set(**{f"{which}scale": "log"})
        axis = getattr(axes, f"{which}axis")
        axis.set_major_locator(LogLocator(numticks=5))
        axis.set_minor_formatter(NullFormatter())


def titled(artist: Artist, *titles: str) -> None:
    """Gives a mark, or each point of a line, a text that an HTML page shows where the pointer is."""
    artist.set_gid(TITLES + json.dumps(titles))


def titles_of(gid: str) -> list[str]:
    """Returns the texts that `titled` gave; none for another id."""
    return list(json.loads(gid.removeprefix(TITLES))) if gid.startswith(TITLES) else []


def shown(name: str, length: int = _NAME_LENGTH, *, lines: int = _NAME_LINES) -> str:
    """Formats a name for a figure: literal text in so many lines of this length, its middle omitted if it is longer."""
    text = " ".join(_drawable(name).split())
    for keep in range(min(len(text), length * lines), 0, -1):
        cut = text if keep == len(text) else f"{text[: keep - keep // 2]}…{text[len(text) - keep // 2 :]}"
        wrapped = _wrapped(cut, length)
        if len(wrapped) <= lines:
            return _no_formula("\n".join(wrapped))
    return ""


class _Wrapper(textwrap.TextWrapper):
    """Breaks lines between the names of a label, and where `_SOFT` is."""

    wordsep_re = re.compile(r"(\s+)|(?<=[,→/\u200b])(?=\w)|(?<=\w)(?=\()")


_SOFT = "\u200b"


def _wrapped(text: str, length: int) -> list[str]:
    """Breaks a text into lines; inside a name only if the name is longer than a line."""
    names = re.split(r"(?<=[\s,→/])|(?=\()", text)
    soft = [re.sub(r"(?<=[_=-])(?=\w)", _SOFT, name) if len(name) > length else name for name in names]
    return [line.replace(_SOFT, "") for line in _Wrapper(length).wrap("".join(soft))]


def _lines(text: str, inches: float) -> str:
    return _no_formula("\n".join(_wrapped(_drawable(text), max(int(inches / _LABEL_CHARACTER), 8))))


def _no_formula(text: str) -> str:
    return text.replace("$", r"\$")


def _drawable(text: str) -> str:
    """Replaces characters that the font lacks."""
    return "".join(c if c.isspace() or _in_font(c) else "\u25af" for c in text)


@cache
def _in_font(character: str) -> bool:
    return bool(get_font(findfont(FontProperties())).get_char_index(ord(character)))


# Black stands for the colour of the page's text: a dark page shows it light.
INK = "#010101"
# Okabe & Ito 2008, with violet instead of yellow, which is too light for lines on white.
COLOURS = (INK, "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#692DFF")
# No triangles, no crosses: tables mark verdicts by them.
MARKERS: tuple["str | tuple[int, int, int]", ...] = ("o", "s", "D", "P", "p", "*", "h", (4, 1, 0))
SYMBOLS = dict(zip(MARKERS, "●■◆✚⬟★⬢✦", strict=True))
OTHERS = "#8C8C8C"
# The order fixes the styles of these; other entries of the catalogue follow in its order.
_FIRST = (
    *("relu", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "tanh"),
    *("sigmoid", "mish", "rrelu", "pelu", "leaky_selu", "celu", "softplus", "linear"),
    *("relu6", "mpelu", "scaled_selu", "serlu", "parametric_selu", "softsign", "hard_silu", "hard_tanh"),
    *("hard_sigmoid", "sparse_sigmoid", "squareplus", "sparse_plus", "log_sigmoid", "soft_shrink", "hard_shrink"),
    "tanh_shrink",
)
KNOWN = (*_FIRST, *(entry.name for entry in ENTRIES if entry.name not in _FIRST))


@dataclass(frozen=True)
class Style:
    """How an activation is drawn.

    Args:
        colour: `#RRGGBB`.
        marker: Matplotlib marker.
    """

    colour: str
    marker: str | tuple[int, int, int]

    @property
    def symbol(self) -> str:
        """The marker as a character."""
        return SYMBOLS[self.marker]

    @property
    def css_colour(self) -> str:
        """The colour in CSS, where black becomes the colour of the text."""
        return "currentColor" if self.colour == INK else self.colour


STYLES = tuple(Style(*pair) for pair in zip(COLOURS, MARKERS, strict=True))
OTHER = Style(OTHERS, "o")
OTHER_NAMES = "others"


def style_of(activation: str) -> Style:
    """Returns the style that an activation has unless another in the same search takes it.

    An activation with other parameters has the style of its name; one that is not in the catalogue has one from a hash
    of its name.

    Example:

    >>> style_of("gelu").colour, style_of("elu").colour, style_of("elu(alpha=2)").colour, style_of("elu").symbol
    ('#E69F00', '#009E73', '#009E73', '✚')
    """
    return STYLES[_own(activation)]


def styles_of(activations: Iterable[str]) -> dict[str, Style]:
    """Returns a style for each activation of a search: the first eight differ, whatever their order; others are grey.

    Args:
        activations: The activations, the most important first.

    Example:

    >>> styles = styles_of(["elu", "elu(alpha=2)", "elu(alpha=3)"])
    >>> len({style.colour for style in styles.values()})
    3
    """
    names = list(dict.fromkeys(activations))
    styles, free = dict.fromkeys(names, OTHER), list(range(len(STYLES)))
    places = {name: place for place, name in enumerate(KNOWN)}
    for name in sorted(names[: len(STYLES)], key=lambda name: (places.get(name, len(places)), name)):
        own = _own(name)
        free.remove(chosen := own if own in free else free[-1])
        styles[name] = STYLES[chosen]
    return styles


def ranking(verdict: Verdict, search: SearchRecord | None = None) -> list[str]:
    """Lists activations for `styles_of`: the one that all are compared with, then the largest gain first."""
    found = sorted(verdict.comparisons, key=lambda each: math.inf if each.difference is None else -each.difference)
    against = verdict.baseline or verdict.leader
    rest = [trial.activation for trial in search.ranked] if search is not None else []
    return [*([against] if against else []), *(each.activation for each in found), *rest]


def _own(activation: str) -> int:
    name = activation_name(activation)
    return (KNOWN.index(name) if name in KNOWN else zlib.crc32(activation.encode())) % len(STYLES)
