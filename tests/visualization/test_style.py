import itertools

import pytest
from matplotlib.figure import Figure

from actsearch.activations.catalogue import ENTRIES
from actsearch.visualization._style import (
    COLOURS,
    INK,
    KNOWN,
    LINES,
    MARKERS,
    NARROW,
    Style,
    area,
    style_of,
    styles_of,
    titled,
    titles_of,
)


def test_the_styles_of_the_first_entries_never_change():
    first = (
        *("relu", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "tanh"),
        *("sigmoid", "mish", "rrelu", "pelu", "leaky_selu", "celu", "softplus", "linear"),
        *("relu6", "mpelu", "scaled_selu", "serlu", "parametric_selu", "softsign", "hard_silu", "hard_tanh"),
        *("hard_sigmoid", "sparse_sigmoid", "squareplus", "sparse_plus", "log_sigmoid", "soft_shrink", "hard_shrink"),
        "tanh_shrink",
    )
    expected = [(COLOURS[i % 8], MARKERS[i // 8], LINES[i // 8]) for i in range(len(first))]
    assert [(style_of(n).colour, style_of(n).marker, style_of(n).line) for n in first] == expected
    assert style_of("mine") == Style("#0072B2", "P", (0, (1, 3)))


def test_whatever_the_catalogue_has_is_known():
    assert sorted(KNOWN) == sorted(entry.name for entry in ENTRIES)


def test_each_activation_of_the_catalogue_has_its_own_style():
    assert len({style_of(name) for name in KNOWN}) == len(KNOWN)


def test_the_colour_of_an_activation_depends_on_nothing_else():
    names = ["relu", "elu", "mine", "elu(alpha=2)", "relu→elu→elu", *KNOWN]
    for some in (names, names[:2], list(reversed(names))):
        assert {name: style.colour for name, style in styles_of(some).items()} == {n: style_of(n).colour for n in some}


def test_other_parameters_of_an_activation_keep_its_colour():
    assert style_of("leaky_relu(slope=0.3)").colour == style_of("leaky_relu").colour


def test_the_styles_of_a_search_differ_whatever_the_order():
    names = [f"f{number}" for number in range(40)]
    styles = styles_of(names)
    by_colour = {c: [s.marker for s in styles.values() if s.colour == c] for c in COLOURS}
    assert all(len(set(markers)) == min(len(markers), 10) for markers in by_colour.values())
    assert styles == styles_of(reversed(names))
    assert len({style.symbol for style in styles.values()}) == 10


def _linear(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


@pytest.mark.parametrize(
    "blindness",
    [  # Viénot, Brettel & Mollon 1999: protanopia, deuteranopia, in linear RGB
        ((0.1120, 0.8853, -0.0005), (0.1126, 0.8897, -0.0001), (0.0045, 0.0001, 1.0019)),
        ((0.2920, 0.7054, -0.0003), (0.2934, 0.7089, 0.0000), (-0.0210, 0.0256, 1.0019)),
    ],
)
def test_colours_are_told_apart_by_colour_blind_readers(blindness):
    seen = {c: [sum(w * v for w, v in zip(row, _linear(c), strict=True)) for row in blindness] for c in COLOURS}
    for (a, first), (b, second) in itertools.combinations(seen.items(), 2):
        distance = sum(
            (max(x, 0) ** (1 / 2.2) - max(y, 0) ** (1 / 2.2)) ** 2 for x, y in zip(first, second, strict=True)
        )
        assert distance**0.5 > 0.1, (a, b)
    assert INK in COLOURS


def test_a_notebook_shows_a_figure_without_pyplot():
    figure, _ = area(width=NARROW)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_titles_are_kept_in_the_id_of_a_mark():
    (line,) = Figure().subplots().plot([1, 2])
    titled(line, 'a "b"', "c")
    assert titles_of(line.get_gid()) == ['a "b"', "c"]
    assert titles_of("axes_1") == []
