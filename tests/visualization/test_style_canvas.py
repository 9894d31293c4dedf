import pytest

from actsearch.visualization._style import shown


def test_a_short_name_is_shown_as_it_is():
    assert shown("leaky_relu(slope=0.3)") == "leaky_relu(slope=0.3)"


def test_a_long_name_goes_on_in_the_next_line_between_its_words():
    assert (
        shown("relu (learning_rate=0.003, units=128, layers=2)") == "relu (learning_rate=0.003,\nunits=128, layers=2)"
    )


@pytest.mark.parametrize("name", ["x" * 500, "word " * 200, "a_" * 300])
def test_of_a_very_long_name_the_middle_is_left_out(name):
    lines = shown(name, 20).split("\n")
    assert len(lines) == 3
    assert max(map(len, lines)) <= 20
    assert "…" in "".join(lines)


def test_formulas_and_line_breaks_are_text():
    assert shown("a$b$\nc") == r"a\$b\$ c"
