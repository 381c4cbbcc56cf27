"""The parameters of a trainer without a config dataclass."""

from __future__ import annotations

from typing import Any

import pytest

from goodfit.trainers.trial import Config


@pytest.mark.parametrize("ask", [lambda config: config["lr"], lambda config: config.lr], ids=["key", "attribute"])
def test_a_parameter_that_is_not_there_names_those_that_are_and_the_nearest(ask: Any) -> None:
    config = Config({"depth": 3, "learning_rate": 0.1})
    with pytest.raises((KeyError, AttributeError)) as caught:
        ask(config)
    told = "this trial has no parameter 'lr'; it has: depth, learning_rate; did you mean 'learning_rate'?"
    assert str(caught.value) == told
    assert config.get("lr", 7) == 7
    assert not hasattr(config, "lr")


def test_a_config_without_a_dataclass_is_read_by_key_or_attribute() -> None:
    config = Config(depth=3)
    assert config.depth == config["depth"] == 3
    with pytest.raises(AttributeError, match="no parameter 'width'; it has: depth"):
        _ = config.width
