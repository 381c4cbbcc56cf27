"""Parameters declared in Python are those that a study file would have."""

from __future__ import annotations

import goodfit
from goodfit.search_spaces.flaws import KeyPath
from goodfit.search_spaces.parameters import Choice, Float, Int
from goodfit.search_spaces.parse import parse_space


def test_they_are_read_as_a_study_file_is() -> None:
    problems: list[tuple[KeyPath, str]] = []
    space = parse_space(
        {
            "optimizer": goodfit.choice(["adam", "sgd"]),
            "lr": goodfit.float(1e-4, 1e-1, log=True, prior=3e-3),
            "width": goodfit.int(8, 64, step=8),
            "momentum": goodfit.float(0.5, 0.99, when={"optimizer": "sgd"}),
        },
        problems,
    )
    assert problems == []
    assert space["lr"] == Float("lr", 1e-4, 1e-1, log=True, prior=3e-3)
    assert space["width"] == Int("width", 8, 64, step=8)
    assert space["momentum"] == Float("momentum", 0.5, 0.99, when={"optimizer": "sgd"})
    assert space["optimizer"] == Choice("optimizer", ("adam", "sgd"))


def test_what_is_not_said_is_left_out() -> None:
    assert goodfit.int(1, 4) == {"type": "int", "low": 1, "high": 4}
    assert goodfit.float(0.0, 1.0, step=0.5) == {"type": "float", "low": 0.0, "high": 1.0, "step": 0.5}
