"""The picture is well-formed, and its marks lie where the numbers say."""

import math
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made_curves import clear_overfit, fall, good_fit, reports

from goodfit.service.diagnosis import diagnose_trial
from goodfit.service.diagnosis.axes import Scale, epoch_scale, label, thin, value_scale
from goodfit.service.diagnosis.picture import learning_curve_svg, sparkline
from goodfit.service.objective import Objective
from goodfit.service.records import Report

SVG = "{http://www.w3.org/2000/svg}"
ACCURACY = 1.0 - fall(40, 10, 0.1, start=0.9)


def drawn(curve: list[Report], metric: str, direction: str, title: str = "digits · trial 3") -> ET.Element:
    found = diagnose_trial(curve, Objective(metric, direction))
    return ET.fromstring(learning_curve_svg(curve, Objective(metric, direction), found, title))


def panel(picture: ET.Element, name: str) -> ET.Element:
    return next(group for group in picture.iter(f"{SVG}g") if group.get("data-metric") == name)


def of_class(group: ET.Element, kind: str, tag: str) -> list[ET.Element]:
    return [item for item in group.iter(SVG + tag) if kind in (item.get("class") or "").split()]


def points(line: ET.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in (line.get("points") or "").split())]


def test_loss_and_objective_have_a_panel_each_with_both_splits() -> None:
    train, validation = clear_overfit(40)
    curve = reports(train__loss=train, val__loss=validation, train__accuracy=ACCURACY + 0.05, val__accuracy=ACCURACY)

    picture = drawn(curve, "val/accuracy", "maximize")

    assert [group.get("data-metric") for group in picture.iter(f"{SVG}g")] == ["loss", "accuracy"]
    for name in ("loss", "accuracy"):
        assert len(of_class(panel(picture, name), "train", "polyline")) == 1
        assert len(points(of_class(panel(picture, name), "validation", "polyline")[0])) == 40
        assert len(of_class(panel(picture, name), "gap", "polygon")) == 1


def test_a_loss_that_is_the_objective_has_one_panel() -> None:
    train, validation = good_fit(20)

    picture = drawn(reports(train__loss=train, val__loss=validation), "val/loss", "minimize")

    assert [group.get("data-metric") for group in picture.iter(f"{SVG}g")] == ["loss"]


def test_best_and_onset_are_marked_at_their_epochs_and_on_the_curve() -> None:
    train, validation = clear_overfit(40)
    curve = reports(train__loss=train, val__loss=validation)
    found = diagnose_trial(curve, Objective("val/loss", "minimize"))
    assert found.best_epoch is not None
    assert found.onset is not None

    loss = panel(drawn(curve, "val/loss", "minimize"), "loss")

    line = points(of_class(loss, "validation", "polyline")[0])
    ring = of_class(loss, "best", "circle")[0]
    assert (float(ring.get("cx") or 0), float(ring.get("cy") or 0)) == line[found.best_epoch - 1]
    for kind, epoch in (("best", found.best_epoch), ("onset", found.onset)):
        mark = of_class(loss, kind, "path")[0].get("d") or ""
        assert mark.startswith(f"M{line[epoch - 1][0]:.1f} ")
    # The lowest loss is the lowest on the page, where y grows downwards.
    assert line[found.best_epoch - 1][1] == max(y for _, y in line)


def test_ticks_lie_where_their_numbers_say() -> None:
    curve = reports(train__loss=clear_overfit(40)[0], val__loss=clear_overfit(40)[1])
    loss = panel(drawn(curve, "val/loss", "minimize"), "loss")
    ticks = [(float(item.text or "nan"), float(item.get("y") or 0) - 4) for item in of_class(loss, "y-tick", "text")]
    line = points(of_class(loss, "validation", "polyline")[0])

    slope = (ticks[-1][1] - ticks[0][1]) / (ticks[-1][0] - ticks[0][0])
    for report, (_, y) in zip(curve, line, strict=True):
        assert y == pytest.approx(ticks[0][1] + slope * (report.metrics["val/loss"] - ticks[0][0]), abs=0.2)


def test_verdict_reason_and_title_are_written_and_escaped() -> None:
    curve = reports(train__loss=clear_overfit(40)[0], val__loss=clear_overfit(40)[1])
    found = diagnose_trial(curve, Objective("val/loss", "minimize"))
    title = 'a "net" <b> & \x00 co'

    picture = ET.fromstring(learning_curve_svg(curve, Objective("val/loss", "minimize"), found.to_dict(), title))

    texts = ["".join(item.itertext()) for item in picture.iter(f"{SVG}text")]
    assert 'a "net" <b> &   co' in texts
    assert "overfit" in texts
    assert " ".join(item.text or "" for item in of_class(picture, "reason", "text")) == found.reason


def test_without_a_diagnosis_the_curves_stand_alone() -> None:
    curve = reports(train__loss=good_fit(20)[0], val__loss=good_fit(20)[1])

    picture = ET.fromstring(learning_curve_svg(curve, Objective("val/loss", "minimize"), None, "curves"))

    assert not of_class(picture, "best", "path")
    assert not of_class(picture, "verdict", "text")
    assert len(of_class(picture, "curve", "polyline")) == 2


def test_nan_and_infinity_break_the_line_and_are_marked() -> None:
    train, validation = good_fit(20)
    validation[[7, 12]] = math.nan, math.inf

    loss = panel(drawn(reports(train__loss=train, val__loss=validation), "val/loss", "minimize"), "loss")

    assert [len(points(line)) for line in of_class(loss, "validation", "polyline")] == [7, 4, 7]
    assert ["".join(item.itertext()) for item in of_class(loss, "broken", "path")] == [
        "NaN or infinite at epoch 8",
        "NaN or infinite at epoch 13",
    ]
    assert len(of_class(loss, "gap", "polygon")) == 3


def test_one_epoch_is_a_point_and_no_epoch_says_so() -> None:
    one = panel(drawn(reports(train__loss=[2.3], val__loss=[2.2]), "val/loss", "minimize"), "loss")
    none = panel(drawn([], "val/loss", "minimize"), "loss")

    assert len(of_class(one, "train", "circle")) == 1
    assert "not reported" in [item.text for item in none.iter(f"{SVG}text")]


def test_all_nan_is_drawn_without_a_value_axis() -> None:
    loss = panel(drawn(reports(train__loss=[math.nan] * 5, val__loss=[math.nan] * 5), "val/loss", "minimize"), "loss")

    assert not of_class(loss, "y-tick", "text")
    assert "no finite value" in [item.text for item in loss.iter(f"{SVG}text")]


def test_a_loss_over_three_decades_has_a_log_axis_with_powers_of_ten() -> None:
    curve = reports(train__loss=10.0 ** -np.linspace(0, 3, 30), val__loss=10.0 ** -np.linspace(0, 2.5, 30))

    loss = panel(drawn(curve, "val/loss", "minimize"), "loss")

    assert [float(item.text or "nan") for item in of_class(loss, "y-tick", "text")] == [1e-3, 1e-2, 1e-1, 1.0]
    assert any("log scale" in (item.text or "") for item in loss.iter(f"{SVG}text"))


def test_training_that_goes_to_zero_does_not_flatten_the_rise_of_validation() -> None:
    train, validation = fall(40, 12, 1e-6), clear_overfit(40)[1]

    loss = panel(drawn(reports(train__loss=train, val__loss=validation), "val/loss", "minimize"), "loss")

    assert not any("log scale" in (item.text or "") for item in loss.iter(f"{SVG}text"))


def test_confidence_is_told_in_percent_and_never_as_certainty() -> None:
    curve = reports(train__loss=clear_overfit(40)[0], val__loss=clear_overfit(40)[1])

    texts = [item.text for item in drawn(curve, "val/loss", "minimize").iter(f"{SVG}text")]

    assert any("confidence over 99%" in (text or "") for text in texts)


def test_ten_thousand_epochs_are_thinned_keep_their_spike_and_say_so() -> None:
    validation = fall(10_000, 8, 0.5)
    validation[6_321] = 9.0
    picture = drawn(reports(train__loss=validation - 0.1, val__loss=validation), "val/loss", "minimize")
    loss = panel(picture, "loss")

    line = points(of_class(loss, "validation", "polyline")[0])

    assert len(line) <= 600
    assert min(y for _, y in line) < points(of_class(loss, "train", "polyline")[0])[0][1] - 50
    assert any(re.search("lowest and highest of each 34", item.text or "") for item in loss.iter(f"{SVG}text"))


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30), st.sampled_from(["minimize", "maximize"]))
@example([0.0, 0.0, 0.0, -1.797693134499e308, -1.7976931345e308], "minimize")
def test_any_curve_can_be_drawn_within_the_panel(values: list[float], direction: str) -> None:
    curve = reports(train__loss=values, val__loss=values, val__accuracy=values[::-1])

    picture = drawn(curve, "val/accuracy", direction)

    width, height = float(picture.get("width") or 0), float(picture.get("height") or 0)
    for line in picture.iter(f"{SVG}polyline"):
        assert all(0 <= x <= width and 0 <= y <= height for x, y in points(line))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (0.93, 0.99, ["0.93", "0.94", "0.95", "0.96", "0.97", "0.98", "0.99"]),
        (-3.0, 3.0, ["-3", "-2", "-1", "0", "1", "2", "3"]),
        (0.0, 2e-7, ["0", "5e-8", "1e-7", "1.5e-7", "2e-7"]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, ticks: list[str]) -> None:
    assert [label(tick) for tick in Scale(low, high, 0, 100).ticks()] == ticks


def test_a_scale_maps_its_ends_and_leaves_room_around_the_values() -> None:
    assert Scale(1, 100, 0, 200, log=True)(10) == pytest.approx(100)
    scale = value_scale([0.2, 0.4], 200, 0)
    assert 0 < scale(0.4) < scale(0.2) < 200
    assert epoch_scale(5, 5, 0, 100)(5) == 50


def test_thinning_keeps_short_lines_and_the_order() -> None:
    line = [(float(epoch), math.sin(epoch)) for epoch in range(5_000)]

    assert thin(line[:600]) == line[:600]
    thinned = thin(line)
    assert len(thinned) <= 600
    assert thinned == sorted(thinned)
    assert {max(line, key=lambda p: p[1]), min(line, key=lambda p: p[1])} <= set(thinned)


@pytest.mark.parametrize(
    ("values", "width", "expected"),
    [
        ([], 24, ""),
        ([0.5], 24, "▅"),
        ([0, 1, 2, 3, 4, 5, 6, 7], 24, "▁▂▃▄▅▆▇█"),
        ([1.0, 0.0, math.nan, 0.0, None, 1.0], 24, "█▁\N{MULTIPLICATION SIGN}▁ █"),
        ([0, 0, 1, 1, 2, 2], 3, "▁▅█"),
        ([1e308, -1e308], 2, "█▁"),
        ([0.3] * 4, 24, "▅▅▅▅"),
    ],
)
def test_a_sparkline_shows_the_course(values: list[float | None], width: int, expected: str) -> None:
    assert sparkline(values, width) == expected


def test_a_sparkline_is_never_wider_than_asked() -> None:
    assert len(sparkline(list(np.linspace(0, 1, 10_000)), 24)) == 24
    with pytest.raises(ValueError, match="at least 1"):
        sparkline([1.0], 0)
