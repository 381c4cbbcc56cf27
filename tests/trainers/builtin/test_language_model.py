"""The language model: what its outputs depend on, how it is measured, what it writes, how well it learns."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goodfit.testing.attempts import attempt
from goodfit.trainers.builtin.language_model.config import LanguageModelConfig
from goodfit.trainers.builtin.language_model.nets import LONGEST, build, write_on
from goodfit.trainers.builtin.language_model.training import window_starts
from goodfit.trainers.data import Data, load, load_test
from goodfit.trainers.data.facts import Facts
from goodfit.trainers.data.kinds.corpus import read_corpus, stream, windows
from goodfit.trainers.data.preparing.preparation import Preparation
from goodfit.trainers.data.preparing.tokens import PADDING, SPECIAL, UNKNOWN, Tokenizer
from goodfit.trainers.errors import BadTrainer, DataProblem
from goodfit.trainers.messages import DataSpec, TokenSpec
from goodfit.trainers.nets.attention import Decoder
from goodfit.trainers.prediction.model_folder import load_model, read_facts, save_model
from goodfit.trainers.prediction.predictor import Predictor
from goodfit.trainers.registry import resolve
from goodfit.trainers.training.language_metrics import bits_of_texts, language_metrics, token_loss
from goodfit.trainers.training.loop import Tensors, evaluate
from goodfit.trainers.training.packing.work import pack_key
from tests.trainers.training.packing.works import work_of
from tests.training import DIGITS

SMALL: dict[str, Any] = {"depth": 1, "width": 32, "heads": 2, "learning_rate": 5e-3, "batch_size": 8, "samples": 0}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> DataSpec:
    """Lines whose end follows from their beginning, up to 4 characters before: no pair of neighbours tells it."""
    draw = np.random.default_rng(0)
    lines = [f"{first}{second}={second}{first}\n" for first, second in draw.integers(0, 10, (1600, 2))]
    path = tmp_path_factory.mktemp("sums") / "sums.txt"
    path.write_text("".join(lines))
    return DataSpec(str(path), tokens=TokenSpec("character", length=20), validation=0.1, test=0.1)


def model_of(size: int = 20, length: int = 12, **params: Any) -> Decoder:
    torch.manual_seed(0)
    return Decoder(LanguageModelConfig(**{**SMALL, **params}), size, length).eval()


VARIANTS = [(positions, tied) for positions in ("learned", "rotary") for tied in (True, False)]


@pytest.mark.parametrize(("positions", "tied"), VARIANTS)
def test_no_output_depends_on_what_comes_later(positions: str, tied: bool) -> None:
    model = model_of(positions=positions, tied=tied, depth=2)
    ids = torch.randint(2, 20, (3, 12))
    changed = ids.clone()
    changed[:, 7:] = torch.randint(2, 20, (3, 5))
    before, after = model(ids), model(changed)
    assert torch.allclose(before[:, :7], after[:, :7], atol=1e-6)
    assert not torch.allclose(before[:, 7:], after[:, 7:], atol=1e-3)
    assert torch.allclose(model(ids[:, :5]), before[:, :5], atol=1e-5)  # nor on how long the row is


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_every_earlier_token_and_its_place_reach_an_output(positions: str) -> None:
    model = model_of(positions=positions, depth=2)
    ids = torch.arange(2, 14)[None]
    last = model(ids)[0, -1]
    for place in range(11):
        changed = ids.clone()
        changed[0, place] = 19
        assert not torch.allclose(model(changed)[0, -1], last, atol=1e-5)
    assert not torch.allclose(model(torch.cat([ids[:, :11].flip(1), ids[:, 11:]], dim=1))[0, -1], last, atol=1e-5)


def test_tied_tables_are_one() -> None:
    tied, untied = ({name for name, _ in model_of(tied=tied).named_parameters()} for tied in (True, False))
    assert untied - tied == {"head.weight"}


def test_rows_longer_than_its_positions_are_refused() -> None:
    with pytest.raises(DataProblem, match="the rows are 13 long, and the model has 12 positions"):
        model_of()(torch.ones(1, 13, dtype=torch.int64))


class Fixed(nn.Module):
    """Holds the same logits for every token."""

    def __init__(self, probabilities: list[float]) -> None:
        super().__init__()
        self.logits = torch.tensor(probabilities).log()

    def forward(self, ids: Tensor) -> Tensor:
        return self.logits.expand(*ids.shape, -1)


TOKENS = Tokenizer("bpe", 4, ("a", "b", "ab"), (("a", "b"),))
FACTS = Facts(
    "by hand", "language-modelling", "corpus", (4,), (), ("text",), {}, Preparation(None, (), (), tokens=TOKENS)
)
FAIR = Fixed([1e-9, 0.125, 0.25, 0.125, 0.5])  # padding, unknown, a, b, ab


def test_bits_a_character_are_the_sum_of_nats_by_characters() -> None:
    cut = windows(np.array([4, 4, 2, 3, 1, 4]), 4)  # to foretell: ab a b unknown ab
    told = language_metrics(FAIR, torch.from_numpy(cut.x), torch.from_numpy(cut.y), FACTS)
    bits = 1 + 2 + 3 + 3 + 1
    assert told["bits_per_character"] == pytest.approx(bits / (2 + 1 + 1 + 1 + 2))
    assert told["loss"] == pytest.approx(bits * math.log(2) / 5)
    assert told["perplexity"] == pytest.approx(2 ** (bits / 5))
    assert told["accuracy"] == pytest.approx(2 / 5)  # ab is held the likeliest, always


def test_the_bits_of_texts_are_those_of_each_alone() -> None:
    found = bits_of_texts(FAIR, ["abab", "aab" * 4, "ba"], FACTS)
    # after the first token: ab | ab a ab a ab a ab | a
    assert found.tolist() == pytest.approx([1 / 2, (4 * 1 + 3 * 2) / (4 * 2 + 3), 2])
    with pytest.raises(DataProblem, match="row 2 has one token"):
        bits_of_texts(FAIR, ["abab", "ab"], FACTS)


def test_what_fills_up_a_window_counts_nowhere() -> None:
    outputs = torch.randn(1, 4, 5)
    y = torch.tensor([[2, 3, PADDING, PADDING]])
    assert token_loss(outputs, y, 0.0) == pytest.approx(float(token_loss(outputs[:, :2], y[:, :2], 0.0)))


def test_metrics_do_not_depend_on_how_windows_are_measured_together(sums: DataSpec) -> None:
    data = load(sums)
    model = build(LanguageModelConfig(**SMALL), data.facts).eval()
    split = Tensors.of(data.validation, CPU)
    whole = evaluate(model, split, data.facts)
    tokens = int((split.y != PADDING).sum())
    parts = [(Tensors(split.x[rows], split.y[rows])) for rows in torch.split(torch.arange(len(split)), 5)]
    told = [evaluate(model, part, data.facts)["loss"] * int((part.y != PADDING).sum()) for part in parts]
    assert sum(told) / tokens == pytest.approx(whole["loss"], rel=1e-6)


def starts_of(epoch: int, seed: int = 11, most: int = 1000, tokens: int = 101) -> Tensor:
    return window_starts(tokens, 8, most, seed, epoch)


def test_an_epoch_reads_whole_windows_that_meet_end_to_end_from_a_start_of_its_own() -> None:
    firsts = set()
    for epoch in range(1, 40):
        starts = starts_of(epoch).sort().values
        assert (starts.diff() == 8).all()
        assert len(starts) >= 11
        assert int(starts[-1]) + 8 < 101, "the last target is there"
        firsts.add(int(starts[0]))
    assert firsts == set(range(8))


def test_an_epoch_depends_on_the_seed_and_its_number_alone() -> None:
    assert torch.equal(starts_of(3), starts_of(3))
    assert not torch.equal(starts_of(3), starts_of(4))
    assert not torch.equal(starts_of(3), starts_of(3, seed=12))


def test_an_epoch_of_a_long_text_draws_some_windows_and_of_the_shortest_reads_its_one() -> None:
    assert len(starts_of(1, most=5)) == 5
    assert len({int(start) for epoch in range(30) for start in starts_of(epoch, most=5) // 8}) >= 12
    assert starts_of(1, tokens=9).tolist() == [0]


def test_a_step_reads_the_tokens_of_its_windows_and_the_ones_behind(sums: DataSpec) -> None:
    data = load(sums)
    work, text = work_of("language-model", data, SMALL, 0), stream(data.train)
    batches = work.training.batches(1, work.train.y)
    for start in torch.cat(batches).tolist():
        window = work.train.take(torch.tensor(start))
        assert window.x[:].tolist() == text[start : start + 20].tolist()
        assert window.y.tolist() == text[start + 1 : start + 21].tolist()
    assert len(torch.cat(batches)) == min(1000, (len(text) - 1 - int(torch.cat(batches).min())) // 20)


def test_the_trials_of_a_worker_read_the_same_memory(sums: DataSpec) -> None:
    data = load(sums)
    one, other = (work_of("language-model", data, SMALL, seed) for seed in (0, 1))
    assert pack_key(one) == pack_key(other) is not None


def test_the_same_seed_writes_the_same_text_and_another_another() -> None:
    model, tokens = model_of(size=TOKENS.size), TOKENS
    texts = write_on(model, tokens, [[2, 3], [3, 3]], 40, 5, 1.0)
    assert [len(text) for text in texts] == [40, 40]
    assert write_on(model, tokens, [[2, 3], [3, 3]], 40, 5, 1.0) == texts
    assert write_on(model, tokens, [[2, 3], [3, 3]], 40, 6, 1.0) != texts


def test_only_known_tokens_are_written_and_of_them_the_top_ones() -> None:
    model = model_of(size=TOKENS.size)
    model.forward = lambda ids: FAIR.logits.expand(*ids.shape, -1)  # type: ignore[method-assign]
    assert write_on(model, TOKENS, [[2]], 30, 0, 1.0, top_k=1) == ["ab" * 15]
    drawn = Counter(write_on(model, TOKENS, [[2]], 4000, 0, 1.0)[0])
    assert set(drawn) == {"a", "b"}
    assert drawn["a"] / 4000 == pytest.approx((2 + 4) / (2 + 1 + 8), abs=0.03)
    cold = Counter(write_on(model, TOKENS, [[2]], 4000, 0, 0.5)[0])
    assert cold["a"] / 4000 == pytest.approx((4 + 16) / (4 + 1 + 32), abs=0.03)


def trained(folder: Path, data: DataSpec, **changes: Any) -> Any:
    params = {**SMALL, **changes.pop("params", {})}
    more = {"metric": "val/bits_per_character", "direction": "minimize", **changes}
    line = attempt(folder, trainer="language-model", data=data, params=params, **more)
    assert line.ended.message is None
    return line


def of_neighbours(spec: DataSpec) -> tuple[float, float]:
    """Bits a character of validation text by the frequencies of characters, and of characters after the last one."""
    texts, tokens = read_corpus(spec), load(spec).preparation.tokens
    assert tokens is not None
    train, validation = tokens.ids(texts.train).tolist(), tokens.ids(texts.validation).tolist()
    alone, pairs = Counter(train), Counter(pairwise(train))
    size = tokens.size - 1
    one = [(alone[token] + 1) / (len(train) + size) for token in validation[1:]]
    two = [(pairs[pair] + 1) / (alone[pair[0]] + size) for pair in pairwise(validation)]
    return -float(np.log2(one).mean()), -float(np.log2(two).mean())


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_it_learns_what_counts_of_neighbours_cannot(sums: DataSpec, tmp_path: Path, positions: str) -> None:
    reports = trained(tmp_path, sums, epochs=12, params={"positions": positions, "depth": 2}).reports
    one, two = of_neighbours(sums)
    best = min(report.metrics["val/bits_per_character"] for report in reports)
    # Two digits drawn, 6.64 bits, are all that a line of 6 characters does not tell: 1.11 bits a character.
    # The first characters of a window stand behind what the model does not see, and are harder.
    assert 1.1 < best < 1.35 < two - 0.5 < one


def test_it_beats_counts_of_neighbours_on_source_code(tmp_path: Path) -> None:
    spec = DataSpec("stdlib_source", validation=0.03, test=0.03, tokens=TokenSpec("bpe", 300, 32))
    params = {"width": 64, "batch_size": 16, "epoch_windows": 1000}
    line = trained(tmp_path, spec, epochs=4, params=params)
    characters = replace(spec, tokens=TokenSpec("character", length=32))
    one, two = of_neighbours(characters)
    assert line.reports[-1].metrics["val/bits_per_character"] < two - 0.2 < one


def test_the_same_seed_gives_the_same_curve_and_another_another(sums: DataSpec, tmp_path: Path) -> None:
    params = {"dropout": 0.1, "samples": 1}
    curve = trained(tmp_path / "a", sums, params=params).curve
    assert trained(tmp_path / "b", sums, params=params).curve == curve
    assert trained(tmp_path / "c", sums, params=params, seed=12).curve != curve
    assert (tmp_path / "a/artifacts/samples.txt").read_bytes() == (tmp_path / "b/artifacts/samples.txt").read_bytes()


def test_a_resumed_trial_gives_the_curve_of_one_that_never_stopped(sums: DataSpec, tmp_path: Path) -> None:
    how: dict[str, Any] = {"epochs": 4, "params": {"samples": 1, "dropout": 0.1}}
    whole = trained(tmp_path / "whole", sums, **how).curve
    paused = trained(tmp_path / "cut", sums, pauses=True, pause_at=1, **how)
    stopped = trained(tmp_path / "cut", sums, stop_after=2, reported=1, **how)
    rest = trained(tmp_path / "cut", sums, attempt=2, reported=2, **how)
    assert paused.curve + stopped.curve + rest.curve == whole
    samples = [(tmp_path / name / "artifacts/samples.txt").read_text() for name in ("whole", "cut")]
    assert samples[0] == samples[1]


def test_samples_are_of_the_epoch_with_the_best_validation_loss(sums: DataSpec, tmp_path: Path) -> None:
    line = trained(tmp_path, sums, epochs=3, params={"samples": 2})
    best = min(line.reports, key=lambda report: report.metrics["val/loss"])
    text = (tmp_path / "artifacts/samples.txt").read_text()
    assert text.startswith(f"epoch {best.epoch}: {best.metrics['val/bits_per_character']:.3f} bits a character")
    prompts = [part.split("\n---")[0] for part in text.split("--- validation text:\n")[1:]]
    assert len(prompts) == 2
    assert all(prompt in read_corpus(sums).validation for prompt in prompts)
    assert text.count("--- the model goes on:\n") == 2


def test_no_samples_are_written_where_none_are_asked_for(sums: DataSpec, tmp_path: Path) -> None:
    trained(tmp_path, sums, epochs=1, params={"samples": 0})
    assert not (tmp_path / "artifacts").exists()


def predictor_of(folder: Path, data: DataSpec, epochs: int) -> Predictor:
    trained(folder / "trial", data, epochs=epochs)  # its shape counts, and no other parameter
    save_model(folder / "model", "language-model", SMALL, read_facts(folder / "trial"), folder / "trial/best.pt")
    return load_model(folder / "model")


def test_a_saved_model_tells_how_likely_texts_are_and_writes_on(sums: DataSpec, tmp_path: Path) -> None:
    from mlflow.models import infer_signature

    predictor = predictor_of(tmp_path, sums, epochs=12)
    likely, unlikely = predictor.predict(["12=21\n34=43\n56=65\n", "==12\n\n4=3\n=56=\n7="])
    assert likely < 2 < 3 < unlikely
    text = predictor.generate("12=21\n", 60, seed=3, temperature=0.5)
    assert re.fullmatch(r"(\d\d=\d\d\n){10}", text)
    assert predictor.generate("12=21\n", 60, seed=3, temperature=0.5) == text
    assert len(predictor.generate("12=21\n" * 20, 5)) == 5  # a prompt longer than its positions
    assert predictor.generate("1", 0) == ""
    signature = infer_signature(predictor.example(), predictor.predict(predictor.example()))
    assert signature.inputs.input_names() == ["text"]
    with pytest.raises(DataProblem, match="no class probabilities"):
        predictor.predict_proba(["12=21"])
    for prompt, characters, temperature, top_k in (
        ("", 5, 1.0, 0),
        ("1", -1, 1.0, 0),
        ("1", 5, 0.0, 0),
        ("1", 5, 1.0, -1),
    ):
        with pytest.raises(DataProblem, match="give a prompt, a temperature above 0"):
            predictor.generate(prompt, characters, temperature=temperature, top_k=top_k)


def test_the_bits_of_the_test_text_are_those_of_its_windows(sums: DataSpec, tmp_path: Path) -> None:
    predictor = predictor_of(tmp_path, sums, epochs=1)
    told = evaluate(predictor.module, Tensors.of(load_test(sums), CPU), predictor.facts)
    assert predictor.predict([read_corpus(sums).test])[0] == pytest.approx(told["bits_per_character"], rel=1e-9)


def test_a_model_of_other_data_writes_nothing(tmp_path: Path) -> None:
    facts = load(DIGITS).facts
    with pytest.raises(DataProblem, match="is no language model, and writes nothing"):
        Predictor(nn.Identity(), facts, "cnn", {}).generate("a", 3)


@pytest.mark.parametrize("trainer", ["mlp", "transformer", "cnn"])
def test_other_trainers_refuse_running_text(sums: DataSpec, tmp_path: Path, trainer: str) -> None:
    message = attempt(tmp_path, trainer=trainer, data=sums).ended.message
    assert message is not None
    assert "sums is of kind corpus" in message


def test_it_refuses_other_data(tmp_path: Path) -> None:
    message = attempt(tmp_path, trainer="language-model", data=DIGITS).ended.message
    assert message is not None
    assert "language-model takes running text, and digits is of kind image" in message


def test_windows_longer_than_its_positions_can_be_are_refused(sums: DataSpec) -> None:
    facts = replace(load(sums).facts, input_shape=(LONGEST + 1,))
    with pytest.raises(DataProblem, match=f"set data.tokens.length to {LONGEST} or less"):
        build(LanguageModelConfig(), facts)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"width": 30, "heads": 4}, "width: 30 is no multiple of heads: 4"),
        ({"width": 12, "heads": 4, "positions": "rotary"}, "give an even number a head"),
        ({"temperature": 0}, "temperature: 0 is too small"),
        ({"epoch_windows": 0}, "epoch_windows: 0 is too small"),
        ({"tied": "yes"}, "tied: 'yes' is neither true nor false"),
    ],
)
def test_wrong_hyperparameters_are_named(params: dict[str, Any], said: str) -> None:
    with pytest.raises(BadTrainer, match=said):
        LanguageModelConfig(**params)


def test_what_shapes_the_architecture_is_declared(sums: DataSpec) -> None:
    trainer = resolve("language-model")
    other: dict[str, Any] = {"depth": 2, "width": 64, "heads": 4, "positions": "learned", "activation": "relu"}
    other |= {"tied": False, "learning_rate": 1.0, "l1": 1.0, "dropout": 0.5, "samples": 9, "epoch_windows": 3}
    plain = told(model_of())
    for parameter, value in other.items():
        assert (told(model_of(**{parameter: value})) != plain) == (parameter in trainer.shapes), parameter


def told(model: Decoder) -> tuple[Any, ...]:
    heads = [block.attention.heads for block in model.blocks]  # type: ignore[union-attr]
    shapes = [(name, tuple(weight.shape)) for name, weight in model.named_parameters()]
    return heads, shapes, [type(layer) for layer in model.modules() if not isinstance(layer, nn.Dropout)]


def test_the_tokens_of_both_splits_never_meet(sums: DataSpec) -> None:
    data: Data = load(sums)
    tokens = data.preparation.tokens
    assert tokens is not None
    whole = Path(sums.source).read_text()
    parts = [tokens.decode(stream(split)) for split in (data.train, data.validation, load_test(sums))]
    assert "".join(parts) == whole
    assert UNKNOWN < SPECIAL <= min(int(stream(data.train).min()), int(stream(data.validation).min()))
