"""Figures of rows: sums, differences and ratios of the samples of a round."""

from __future__ import annotations

from pagebuddy.tools.bench.figures import Row, figures

SAMPLES = {"pair": [10.0, 12.0, 30.0], "other": [2.0, 2.0, 4.0], "list": [1.0, 2.0, 3.0]}


def median_of(row):
    (figure,) = figures([row], SAMPLES)
    return figure.median, figure.lowest, figure.highest


def test_parts_are_added_and_the_cost_of_the_list_is_subtracted_in_each_round():
    row = Row("", "", "ns", ("pair", "other"), less=("list", "list"))
    assert median_of(row) == (10.0, 10.0, 28.0)


def test_a_ratio_is_that_of_each_round():
    assert median_of(Row("", "", "times", ("pair",), ("other",))) == (6.0, 5.0, 7.5)
    row = Row("", "", "times", ("pair",), ("other",), scale=2, less=("list",))
    assert median_of(row) == (10.0, 9.0, 13.5)


def test_a_row_of_which_a_part_was_not_measured_is_left_out():
    for parts in (("none",), ()), (("pair",), ("none",)):
        assert figures([Row("", "", "ns", parts[0], less=parts[1])], SAMPLES) == []
