import itertools

import pytest
from matplotlib.figure import Figure

from actsearch.activations.catalogue import ENTRIES
from actsearch.analysis.verdict import verdict_of
from actsearch.reports.text import MARKS
from actsearch.visualization._style import (
    COLOURS,
    INK,
    KNOWN,
    MARKERS,
    NARROW,
    OTHER,
    STYLES,
    SYMBOLS,
    area,
    ranking,
    shown,
    style_of,
    styles_of,
    titled,
    titles_of,
)
from tests.helpers.factories import search


def test_the_styles_of_the_first_entries_never_change():
    first = ("relu", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "tanh")
    assert [style_of(name) for name in first] == list(STYLES)
    assert [(style.colour, style.marker) for style in STYLES] == list(zip(COLOURS, MARKERS, strict=True))
    assert style_of("sigmoid") == style_of("relu")
    assert style_of("mine") == STYLES[3]


def test_whatever_the_catalogue_has_is_known():
    assert sorted(KNOWN) == sorted(entry.name for entry in ENTRIES)


def test_marks_of_activations_are_not_those_of_verdicts():
    of_verdicts = {mark for mark in MARKS.values() if mark.strip()}
    assert not of_verdicts & set(SYMBOLS.values())
    assert not {"▲", "▼", "✖", "✕"} & set(SYMBOLS.values())


@pytest.mark.parametrize("count", [2, 8, 22])
def test_the_first_eight_of_a_search_differ_and_the_others_are_grey(count):
    names = [f"f{number}" for number in range(count)]
    styles = styles_of(names)
    assert list(styles) == names
    shown = [styles[name] for name in names[:8]]
    assert len({style.colour for style in shown}) == len({style.symbol for style in shown}) == min(count, 8)
    assert {styles[name] for name in names[8:]} <= {OTHER}


def test_the_order_of_the_first_eight_does_not_matter():
    names = ["relu", "sigmoid", "relu6", "mine", "elu(alpha=2)", "elu", "relu→elu→elu", "tanh"]
    assert styles_of(names) == styles_of(reversed(names))
    assert styles_of(names)["relu"] == style_of("relu")


def test_an_activation_keeps_its_colour_where_no_other_has_it():
    assert styles_of(KNOWN[:8]) == {name: style_of(name) for name in KNOWN[:8]}
    assert style_of("leaky_relu(slope=0.3)").colour == style_of("leaky_relu").colour


def test_what_all_are_compared_with_comes_first_and_then_the_largest_gain():
    record = search({"selu": [0.93] * 3, "relu": [0.9, 0.91, 0.9], "elu": [0.95] * 3, "bad": [None]})
    assert ranking(verdict_of(record), record)[:4] == ["relu", "elu", "selu", "bad"]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("parametric_selu→parametric_selu→gelu", ["parametric_selu→", "parametric_selu→gelu"]),
        ("leaky_relu(negative_slope=0.01)", ["leaky_relu", "(negative_slope=0.01)"]),
        ("my_company_activation_with_long_name", ["my_company_activation_", "with_long_name"]),
        ("encoder/block_1/attention_dense", ["encoder/block_1/", "attention_dense"]),
    ],
)
def test_a_name_is_broken_between_its_parts(name, lines):
    assert shown(name).split("\n") == lines


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
