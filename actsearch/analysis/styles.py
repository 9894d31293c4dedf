"""A colour, marker and line for each activation: the same in every picture, and told apart by colour-blind readers."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Black is the reader's own ink: a page that is dark draws it light.
INK = "#010101"
# Okabe & Ito 2008, with a violet for their yellow, which is too light for lines on white.
COLOURS = (INK, "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#692DFF")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "*", "h")
SYMBOLS = dict(zip(MARKERS, "●■▲◆▼✚✖⬟★⬢", strict=True))
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
# The order fixes the styles: append only.
KNOWN = (
    *("relu", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "tanh"),
    *("sigmoid", "mish", "rrelu", "pelu", "leaky_selu", "celu", "softplus", "linear"),
    *("relu6", "mpelu", "scaled_selu", "serlu", "parametric_selu", "softsign", "hard_silu", "hard_tanh"),
    *("hard_sigmoid", "sparse_sigmoid", "squareplus", "sparse_plus", "log_sigmoid", "soft_shrink", "hard_shrink"),
    "tanh_shrink",
)


@dataclass(frozen=True)
class Style:
    """How an activation is drawn.

    Args:
        colour: `#RRGGBB`; it depends on the activation alone.
        marker: A name of matplotlib's.
        line: A line style of matplotlib's.
    """

    colour: str
    marker: str
    line: str | tuple[int, tuple[int, ...]]

    @property
    def symbol(self) -> str:
        """The marker as a character."""
        return SYMBOLS[self.marker]


def style_of(activation: str) -> Style:
    """The style of an activation, by itself.

    One with other parameters has the colour of its name; one that is not in the catalogue has a colour from a hash of
    its name. Those two have a marker from a hash too: `styles_of` sees to it that markers differ within a search.

    Example:

    >>> style_of("gelu").colour, style_of("elu").colour, style_of("elu(alpha=2)").colour, style_of("elu").marker
    ('#E69F00', '#009E73', '#009E73', 'o')
    """
    return next(_styles(activation))


def styles_of(activations: Iterable[str]) -> dict[str, Style]:
    """A style for each of the activations of a search; no two have both colour and marker in common.

    The order in which they are given does not matter. Beyond ten of one colour, markers come again.

    Example:

    >>> styles = styles_of(["elu", "elu(alpha=2)", "elu(alpha=3)"])
    >>> {style.colour for style in styles.values()}, len({style.marker for style in styles.values()})
    ({'#009E73'}, 3)
    """
    styles: dict[str, Style] = {}
    for activation in sorted(set(activations), key=lambda name: (name not in KNOWN, name)):
        taken = set(styles.values())
        styles[activation] = next((s for s in _styles(activation) if s not in taken), style_of(activation))
    return styles


def _styles(activation: str) -> Iterator[Style]:
    """The styles that an activation may have, its own first."""
    name = activation.partition("(")[0]
    spread = zlib.crc32(activation.encode())
    row, column = divmod(KNOWN.index(name), len(COLOURS)) if name in KNOWN else (spread, spread // 16)
    if activation not in KNOWN:
        row = len(KNOWN) // len(COLOURS) + spread
    for step in range(len(MARKERS)):
        at = (row + step) % len(MARKERS)
        yield Style(COLOURS[column % len(COLOURS)], MARKERS[at], LINES[at % len(LINES)])
