"""Small pictures in HTML tables."""

import math

from actsearch._text_tables import core, curve_picture, interval_bar, interval_view


def test_one_interval_does_not_squeeze_the_others():
    assert interval_view([(-1.0, 1.0), (0.0, 2.0), (-90.0, 90.0)]) == (-4.0, 5.0)
    assert interval_view([(1.1, 1.3), (-2.1, -1.9), (-0.1, 0.1)]) == (-2.1, 1.3)  # narrow, but not cut
    assert interval_view([]) == (0.0, 0.0)


def test_what_is_cut_has_an_arrow():
    assert interval_bar(-50.0, (-90.0, -10.0), (-4.0, 4.0), margin=0.5, title="").count("<polygon") == 1
    assert "<circle" not in interval_bar(-50.0, (-90.0, -10.0), (-4.0, 4.0), margin=0.5, title="")
    assert interval_bar(1.0, (-9.0, 9.0), (-4.0, 4.0), margin=0.5, title="").count("<polygon") == 2
    assert "<polygon" not in interval_bar(1.0, (0.0, 2.0), (-4.0, 4.0), margin=0.5, title="")


def test_titles_are_escaped_and_values_without_a_number_are_omitted():
    assert "&lt;b&gt;" in interval_bar(None, None, (0.0, 0.0), margin=0.0, title="<b>")
    assert "nan" not in curve_picture([0.0, math.nan, 1.0], title="")


def test_the_core_omits_what_would_squeeze_the_rest():
    assert core([0.95, 0.96, 0.97, 0.98, 0.99]) == (0.95, 0.99)
    assert core([0.95, 0.96, 0.97, 0.98, 0.1]) == (0.95, 0.98)
    assert core([0.95, 0.96, 0.97, 0.98, 99.0]) == (0.95, 0.98)
    assert core([-0.02, 0.0, 0.001, 0.012]) == (-0.02, 0.012)  # a good and a bad one are no outliers
    assert core([0.0, 0.1, 0.2, 0.3, 1.2]) == (0.0, 1.2)
    assert core([0.1, 0.9]) == (0.1, 0.9)
    assert core([0.5, 0.5, 0.5, 0.5, 0.6]) == (0.5, 0.6)  # nothing is known of the rest
    assert core([math.nan]) == (0.0, 0.0)
