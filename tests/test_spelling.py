"""What messages suggest for a word that is unknown."""

from __future__ import annotations

from goodfit.spelling import MOST_COMPARED, close, closest


def test_the_word_that_is_the_most_alike_is_suggested() -> None:
    assert close("mpl", ["cnn", "mlp", "transformer"]) == "mlp"
    assert close("mpl", ["transformer"]) is None
    assert close("lr", ["l1", "learning_rate"], cutoff=0.6) is None
    assert close(3, ["30"]) == "30"
    assert close("a", []) is None


def test_long_words_and_lists_are_compared_in_part() -> None:
    words = [f"word{number}" for number in range(MOST_COMPARED)]
    assert close("x" * 1_000_000, ["x" * 200]) == "x" * 200
    assert close("last", [*words, "last"]) is None
    assert closest("last", [*words, "last"], 1) == ["last"]


def test_the_nearest_of_a_list_come_in_their_order() -> None:
    assert closest("digits", ["iris", "digit", "digits-cnn"], 2) == ["digit", "digits-cnn"]
