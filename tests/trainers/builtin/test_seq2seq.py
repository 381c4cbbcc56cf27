"""The encoder-decoder: what its outputs depend on, how it writes, what it refuses, how well it learns."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from goodfit.testing.attempts import attempt
from goodfit.trainers.builtin.seq2seq.config import Seq2SeqConfig
from goodfit.trainers.builtin.seq2seq.nets import LONGEST, RecurrentSeq2Seq, Seq2Seq
from goodfit.trainers.builtin.seq2seq.training import Pairs, evaluate, exact_match, token_loss, trimmed
from goodfit.trainers.data import Facts, load, load_test
from goodfit.trainers.data.kinds.pairs import texts_of
from goodfit.trainers.errors import BadTrainer, DataProblem
from goodfit.trainers.messages import DataSpec, TokenSpec
from goodfit.trainers.nets.decoding import Rows, write
from goodfit.trainers.prediction.model_folder import load_model, read_facts, save_model
from goodfit.trainers.registry import resolve
from tests.training import IRIS

CORES = ("transformer", "rnn-attention")
SMALL: dict[str, Any] = {"depth": 1, "width": 32, "heads": 2, "learning_rate": 1e-2, "dropout": 0.0, "batch_size": 32}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def reversals(tmp_path_factory: pytest.TempPathFactory) -> DataSpec:
    """Words of two to five letters, and the same backwards in capitals."""
    words = ["".join(letters) for length in range(2, 6) for letters in itertools.product("abcd", repeat=length)]
    chosen = np.random.default_rng(0).choice(words, 700, replace=False)
    path = tmp_path_factory.mktemp("reversals") / "reversals.tsv"
    pd.DataFrame({"word": chosen, "turned": [word[::-1].upper() for word in chosen]}).to_csv(
        path, sep="\t", index=False
    )
    return DataSpec(str(path), "turned", kind="pairs", text="word", tokens=TokenSpec(length=8))


def model_of(facts: Facts, **params: Any) -> Seq2Seq:
    torch.manual_seed(0)
    model: Seq2Seq = resolve("seq2seq").build(Seq2SeqConfig(**{**SMALL, **params}), facts)  # type: ignore[misc]
    return model.eval()


def trained(folder: Path, data: DataSpec, **changes: Any) -> Any:
    params = {**SMALL, **changes.pop("params", {})}
    line = attempt(folder, trainer="seq2seq", data=data, params=params, metric="val/exact_match", **changes)
    assert line.ended.message is None
    return line


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("depth", [1, 2])
def test_padding_changes_no_output(reversals: DataSpec, core: str, depth: int) -> None:
    data = load(reversals)
    model = model_of(data.facts, core=core, depth=depth)
    pairs = Pairs.of(data.train, CPU).some(12)
    together = model(*pairs)
    for x, y, expected in zip(*pairs, together, strict=True):
        x, y = x[x != 0], y[y != 0]
        assert torch.allclose(model(x[None], y[None])[0], expected[: len(y)], atol=1e-5)  # alone, without any padding


@pytest.mark.parametrize("core", CORES)
def test_a_later_target_token_changes_no_earlier_output(reversals: DataSpec, core: str) -> None:
    data = load(reversals)
    model = model_of(data.facts, core=core, depth=2)
    x, y = Pairs.of(data.train, CPU).some(8)
    before = model(x, y)
    for place in range(y.shape[1] - 1):
        other = y.clone()
        other[:, place] = torch.where(other[:, place] == 2, 3, 2)
        after = model(x, other)
        assert torch.allclose(after[:, : place + 1], before[:, : place + 1], atol=1e-5)
        assert not torch.allclose(after[:, place + 1], before[:, place + 1], atol=1e-4)


@pytest.mark.parametrize("core", CORES)
def test_the_order_of_a_source_reaches_the_outputs(reversals: DataSpec, core: str) -> None:
    model = model_of(load(reversals).facts, core=core)
    x, y = torch.tensor([[2, 3, 4, 5]]), torch.tensor([[2, 3]])
    assert not torch.allclose(model(x, y), model(x.flip(1), y), atol=1e-4)


@pytest.mark.parametrize("core", CORES)
def test_token_by_token_gives_the_logits_of_all_positions_at_once(reversals: DataSpec, core: str) -> None:
    data = load(reversals)
    model = model_of(data.facts, core=core, depth=2)
    x, y = Pairs.of(data.train, CPU).some(8)
    memory = model.remember(x)
    state, tokens, found = model.start(memory), torch.full((8,), model.end), []
    for place in range(y.shape[1]):
        logits, state = model.step(tokens, memory, state)
        found.append(logits)
        tokens = y[:, place]
    assert torch.allclose(torch.stack(found, dim=1), model(x, y), atol=1e-5)


def greedily(model: Seq2Seq, source: Tensor, steps: int) -> list[int]:
    """The likeliest token after the likeliest tokens so far, by whole forward passes, one row alone."""
    ids: list[int] = []
    while len(ids) < steps and model.end not in ids:
        logits = model(source[None], torch.tensor([[*ids, 2]]))[0, -1].clone()
        logits[:2] = -torch.inf  # padding and the unknown token are never written
        ids.append(int(logits.argmax()))
    return ids


@pytest.mark.parametrize("core", CORES)
def test_a_beam_of_one_is_greedy(reversals: DataSpec, core: str) -> None:
    data = load(reversals)
    model = model_of(data.facts, core=core)
    x = Pairs.of(data.validation, CPU).x[:20]
    with torch.no_grad():
        for row, source in zip(write(model, x, 9).ids.tolist(), x, strict=True):
            assert [token for token in row if token] == greedily(model, source, 9)


class Chain:
    """A writer that knows the chances of each token after the last, whatever the source."""

    def __init__(self, chances: dict[int, dict[int, float]], end: int) -> None:
        self.end = end
        self._logits = torch.full((end + 1, end + 1), -30.0)
        for last, following in chances.items():
            for token, chance in following.items():
                self._logits[last, token] = np.log(chance)

    def remember(self, sources: Tensor) -> Rows:
        return (sources,)

    def start(self, memory: Rows) -> Rows:
        return (torch.zeros(len(memory[0]), 1),)

    def step(self, tokens: Tensor, memory: Rows, state: Rows) -> tuple[Tensor, Rows]:
        assert len(memory[0]) == len(state[0]) == len(tokens)
        return self._logits[tokens], state


def test_a_beam_finds_what_greedy_passes_by() -> None:
    end = 6  # after the start 2 is likelier than 3, but what follows 2 is nearly anyone's guess
    chain = Chain({end: {2: 0.6, 3: 0.4}, 2: {4: 0.51, 5: 0.49}, 3: {4: 1.0}, 4: {end: 1.0}, 5: {end: 1.0}}, end)
    greedy, beam = (write(chain, torch.zeros(3, 4), 5, beam) for beam in (1, 3))
    assert greedy.ids.tolist() == [[2, 4, end]] * 3
    assert beam.ids.tolist() == [[3, 4, end]] * 3
    assert beam.scores.tolist() == pytest.approx([np.log(0.4) / 3] * 3, abs=1e-5)
    assert (beam.scores > greedy.scores).all()


def test_a_beam_does_not_favour_short_texts() -> None:
    end = 4  # to end at once has chance 0.4, the long text 0.3 in all: by the token the long one is the likelier
    chain = Chain({end: {end: 0.4, 2: 0.6}, 2: {3: 0.5, end: 0.5}, 3: {end: 1.0}}, end)
    assert write(chain, torch.zeros(1, 1), 5, 2).ids.tolist() == [[2, 3, end]]


def test_a_text_without_an_end_is_cut_off() -> None:
    chain = Chain({4: {2: 1.0}, 2: {3: 1.0}, 3: {2: 1.0}}, end=4)
    assert write(chain, torch.zeros(2, 1), 4, 2).ids.tolist() == [[2, 3, 2, 3]] * 2


@pytest.mark.parametrize("core", CORES)
def test_a_beam_that_leaves_nothing_out_finds_the_best_of_all_texts(reversals: DataSpec, core: str) -> None:
    model = model_of(load(reversals).facts, core=core)
    x, letters = Pairs.of(load(reversals).validation, CPU).x[:10], range(2, model.end)
    texts = [list(text) for length in range(3) for text in itertools.product(letters, repeat=length)]
    found = write(model, x, 3, 49)  # 7 ids: more texts of two letters than there are
    for row, score, source in zip(found.ids.tolist(), found.scores.tolist(), x, strict=True):
        scores = [mean_log_probability(model, source, [*text, model.end]) for text in texts]
        assert score == pytest.approx(max(scores), abs=1e-5)
        assert [token for token in row if token] == [*texts[int(np.argmax(scores))], model.end]


@torch.no_grad()
def mean_log_probability(model: Seq2Seq, source: Tensor, ids: list[int]) -> float:
    logits = model(source[None], torch.tensor([ids]))[0]
    return float(-torch.nn.functional.cross_entropy(logits, torch.tensor(ids)))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("beam", [1, 3])
def test_many_rows_are_written_as_few_are(reversals: DataSpec, core: str, beam: int) -> None:
    model = model_of(load(reversals).facts, core=core)
    x = Pairs.of(load(reversals).train, CPU).x.repeat(2, 1)[:600]
    together, few = write(model, x, 9, beam).ids, [write(model, part, 9, beam).ids for part in torch.split(x, 40)]
    assert [row.tolist() for part in few for row in part] == [
        row[: part.shape[1]].tolist() for part, rows in zip(few, torch.split(together, 40), strict=True) for row in rows
    ]


def test_the_loss_is_that_of_a_guess_in_nats_a_token() -> None:
    y = torch.tensor([[3, 4, 6, 0], [5, 6, 0, 0]])
    assert float(token_loss(torch.zeros(2, 4, 7), y, 0.0)) == pytest.approx(np.log(7))
    assert trimmed(y).shape == (2, 3)


def test_metrics_are_means_over_tokens_and_texts(reversals: DataSpec) -> None:
    data = load(reversals)
    model = model_of(data.facts)
    pairs = Pairs.of(data.train, CPU)
    told = evaluate(model, pairs, data.facts)
    with torch.no_grad():
        logits, wanted = model(*pairs), pairs.y != 0
    assert told["loss"] == pytest.approx(
        float(-logits.log_softmax(2).gather(2, pairs.y[:, :, None])[:, :, 0][wanted].mean())
    )
    assert told["token_accuracy"] == pytest.approx(float((logits.argmax(2) == pairs.y)[wanted].double().mean()))
    written = texts_of(data.preparation.target_tokens, write(model, pairs.x, 9).ids.numpy())  # type: ignore[arg-type]
    right = [
        one == other
        for one, other in zip(written, texts_of(data.preparation.target_tokens, pairs.y.numpy()), strict=True)
    ]  # type: ignore[arg-type]
    assert exact_match(model, pairs, data.facts) == np.mean(right)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"width": 30, "heads": 4}, "width: 30 is no multiple of heads: 4"),
        ({"teacher_forcing": 0.5}, "give core: rnn-attention"),
        ({"teacher_forcing": 1.5}, "teacher_forcing: 1.5 is too large"),
        ({"core": "lstm"}, "core: 'lstm' is unknown; choose from: transformer, rnn-attention"),
        ({"beam": 0}, "beam: 0 is too small"),
    ],
)
def test_what_no_encoder_decoder_can_be_is_refused_by_its_name(params: dict[str, Any], said: str) -> None:
    with pytest.raises(BadTrainer) as caught:
        Seq2SeqConfig(**params)
    assert said in str(caught.value)


def test_heads_do_not_bind_a_recurrent_net() -> None:
    assert Seq2SeqConfig(core="rnn-attention", width=30, heads=4, teacher_forcing=0.5).width == 30


def test_other_data_and_too_many_positions_are_refused(reversals: DataSpec, tmp_path: Path) -> None:
    line = attempt(tmp_path, trainer="seq2seq", data=IRIS, params=SMALL, metric="val/exact_match")
    assert "trainer seq2seq takes data of kind pairs, and iris is of kind table" in str(line.ended.message)
    long = replace(reversals, tokens=TokenSpec(length=LONGEST + 1))
    line = attempt(tmp_path, trainer="seq2seq", data=long, params=SMALL, metric="val/exact_match")
    assert line.ended.outcome == "unusable"
    assert f"rows of {LONGEST + 1} exceed seq2seq's {LONGEST} positions" in str(line.ended.message)
    line = attempt(tmp_path, trainer="mlp", data=reversals, metric="val/exact_match")
    assert "and reversals is of kind pairs" in str(line.ended.message)


@pytest.mark.parametrize("core", CORES)
def test_it_learns_what_no_most_frequent_answer_can(reversals: DataSpec, tmp_path: Path, core: str) -> None:
    line = trained(tmp_path, reversals, epochs=20, params={"core": core})
    data = load(reversals)
    tokens = data.validation.y[data.validation.y != 0]
    majority = Counter(tokens.tolist()).most_common(1)[0][1] / len(tokens)
    assert line.reports[-1].metrics["val/token_accuracy"] > majority + 0.5
    assert line.reports[-1].metrics["val/exact_match"] > 0.6
    samples = (tmp_path / "artifacts" / "samples.txt").read_text(encoding="utf-8")
    assert samples.count("source   ") == samples.count("wanted   ") == samples.count("written  ") == 20


def test_a_recurrent_net_learns_from_its_own_tokens(reversals: DataSpec, tmp_path: Path) -> None:
    own = {"core": "rnn-attention", "teacher_forcing": 0.7}
    line = trained(tmp_path / "own", reversals, epochs=12, params=own)
    assert line.reports[-1].metrics["val/exact_match"] > 0.3
    assert trained(tmp_path / "shown", reversals, params={"core": "rnn-attention"}).curve != line.curve[:3]


def test_without_teacher_forcing_the_wanted_text_is_not_seen(reversals: DataSpec) -> None:
    data = load(reversals)
    model = model_of(data.facts, core="rnn-attention", teacher_forcing=0.0).train()
    assert isinstance(model, RecurrentSeq2Seq)
    x, y = Pairs.of(data.train, CPU).some(8)
    assert torch.allclose(model(x, y), model(x, y.flip(0)), atol=1e-6)


@pytest.mark.parametrize("params", [{}, {"core": "rnn-attention", "teacher_forcing": 0.7}])
def test_the_same_seed_gives_the_same_curve_and_another_another(
    reversals: DataSpec, tmp_path: Path, params: dict[str, Any]
) -> None:
    params = {**params, "dropout": 0.1}
    curve = trained(tmp_path / "a", reversals, params=params, epochs=2).curve
    assert trained(tmp_path / "b", reversals, params=params, epochs=2).curve == curve
    assert trained(tmp_path / "c", reversals, params=params, epochs=2, seed=12).curve != curve


@pytest.mark.parametrize("core", CORES)
def test_a_resumed_trial_gives_the_curve_of_one_that_never_stopped(
    reversals: DataSpec, tmp_path: Path, core: str
) -> None:
    params = {"core": core, "dropout": 0.1}
    whole = trained(tmp_path / "whole", reversals, epochs=4, params=params).curve
    paused = trained(tmp_path / "cut", reversals, epochs=4, params=params, pauses=True, pause_at=1)
    stopped = trained(tmp_path / "cut", reversals, epochs=4, params=params, stop_after=2, reported=1)
    rest = trained(tmp_path / "cut", reversals, epochs=4, params=params, attempt=2, reported=2)
    assert paused.curve + stopped.curve + rest.curve == whole


@pytest.mark.parametrize(("core", "beam"), [("transformer", 3), ("rnn-attention", 1)])
def test_a_saved_model_translates_raw_texts(reversals: DataSpec, tmp_path: Path, core: str, beam: int) -> None:
    from mlflow.models import infer_signature

    params = {**SMALL, "core": core, "beam": beam}
    trained(tmp_path / "trial", reversals, epochs=20, params=params)
    save_model(tmp_path / "model", "seq2seq", params, read_facts(tmp_path / "trial"), tmp_path / "trial/best.pt")
    predictor = load_model(tmp_path / "model")
    data, test = load(reversals), load_test(reversals)
    sources, targets = data.preparation.tokens, data.preparation.target_tokens
    assert sources is not None
    assert targets is not None
    texts = [sources.decode(row) for row in test.x]
    found = predictor.predict(texts)
    assert np.mean(found == np.array(texts_of(targets, test.y), dtype=object)) > 0.6
    assert predictor.predict(pd.DataFrame({"word": texts[:3]})).tolist() == found[:3].tolist()
    assert predictor.predict(texts[:1]).tolist() == found[:1].tolist()
    strange, unknown = predictor.predict(["abxd", "ab?d"])  # characters that training never saw are one
    assert strange == unknown
    signature = infer_signature(predictor.example(), predictor.predict(predictor.example()))
    assert signature.inputs.input_names() == ["word"]
    with pytest.raises(DataProblem, match="writes texts, which have no class probabilities"):
        predictor.predict_proba(texts)
    with pytest.raises(DataProblem, match="1 of 1 texts are empty"):
        predictor.predict([" "])


def test_what_shapes_the_architecture_is_declared(reversals: DataSpec) -> None:
    trainer, facts = resolve("seq2seq"), load(reversals).facts
    other: dict[str, Any] = {"core": "rnn-attention", "depth": 2, "width": 64, "heads": 4, "activation": "relu"}
    other |= {"learning_rate": 1.0, "dropout": 0.5, "label_smoothing": 0.1, "beam": 4, "l1": 1.0}
    plain = told(model_of(facts))
    for parameter, value in other.items():
        assert (told(model_of(facts, **{parameter: value})) != plain) == (parameter in trainer.shapes), parameter


def told(model: Seq2Seq) -> tuple[Any, ...]:
    heads = [layer.heads for layer in model.modules() if hasattr(layer, "heads")]
    shapes = [(name, tuple(weight.shape)) for name, weight in model.state_dict().items()]
    return heads, shapes, [type(layer) for layer in model.modules()]
