"""A colour, marker and line for each activation: the same in every picture, and told apart by colour-blind readers."""

import zlib
from dataclasses import dataclass

# Okabe & Ito 2008, without yellow, which is too light for lines on white.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
MARKERS = ("o", "s", "^", "D", "v", "P")
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
    """How an activation is drawn."""

    colour: str
    marker: str
    line: str | tuple[int, tuple[int, ...]]


def style_of(activation: str) -> Style:
    """The style of an activation; of one that is not in the catalogue, from a hash of its name.

    Example:

    >>> style_of("relu").colour, style_of("elu").colour, style_of("elu").marker
    ('#000000', '#009E73', 'o')
    """
    spare = len(COLOURS) * len(MARKERS) - len(KNOWN)
    known = activation in KNOWN
    index = KNOWN.index(activation) if known else len(KNOWN) + zlib.crc32(activation.encode()) % spare
    row, column = divmod(index, len(COLOURS))
    return Style(COLOURS[column], MARKERS[row], LINES[row])
