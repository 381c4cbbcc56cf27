"""Texts: what each token adds. What is taken away is read as the unknown token, which stands for unseen ones, too."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.data.preparing.tokens import UNKNOWN, Tokenizer
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.explaining.explanation import MOST_SHOWN, Explanation, RowExplained
from goodfit.trainers.explaining.games import ALWAYS, Game
from goodfit.trainers.explaining.models import meaning_of
from goodfit.trainers.explaining.rows import among_active, by_outputs, checks_of, one_by_one, row_of
from goodfit.trainers.explaining.shapley import Attribution

if TYPE_CHECKING:
    from goodfit.trainers.explaining.explaining import Task

MOST_KERNEL = 1000  # tokens


class _Texts:
    """Texts as games of their tokens."""

    def __init__(self, task: Task) -> None:
        self.task = task
        facts = task.model.facts
        tokenizer, raw = facts.preparation.tokens, task.material.rows.raw
        if tokenizer is None or raw is None:
            raise DataProblem(f"{facts.name} was prepared without a tokenizer, so its tokens are not known")
        texts = [str(text) for text in raw[facts.features[0]]]
        self.tokens = [tokenizer.tokens(text)[: tokenizer.length] for text in texts]
        self._note_cut(tokenizer, texts)
        self.method = task.request.method or ("kernel" if task.why_no_gradients else "gradient")
        longest = max(map(len, self.tokens))
        if self.method == "gradient":
            task.torch_model("gradient")
        elif self.method in ("kernel", "lime") and longest > MOST_KERNEL:
            raise DataProblem(f"method {self.method} takes up to {MOST_KERNEL} tokens, not {longest}; give occlusion")
        elif task.request.method is None:
            task.note(f"{task.why_no_gradients}; so it is explained by its outputs")

    def _note_cut(self, tokenizer: Tokenizer, texts: list[str]) -> None:
        long = sum(len(tokenizer.tokens(text)) > tokenizer.length for text in texts)
        if long:
            self.task.note(
                f"{long} of {len(texts)} texts are longer than the {tokenizer.length} tokens that the model reads; "
                "what it does not read adds nothing, and is not shown"
            )

    def game(self, place: int) -> Game:
        """The game of a text's tokens."""
        row, count = self.task.material.rows.x[place], len(self.tokens[place])
        players = np.full(len(row), ALWAYS)
        players[:count] = np.arange(count)
        baseline = np.where(players >= 0, UNKNOWN, row)
        return Game(self.task.outputs, row, baseline[None], players, count)

    def explain(self, place: int) -> tuple[Attribution, np.ndarray]:
        """The attribution of the tokens, and their values for the output that is explained."""
        game, output = self.game(place), int(self.task.places[place])
        if self.method != "gradient":
            found = among_active(game, lambda one: by_outputs(self.task, self.method, one))
            return found, found.values[:, output]
        from goodfit.trainers.explaining.gradients import integrated_tokens

        model = self.task.torch_model("gradient")
        path = integrated_tokens(model, game.row, game.baselines[0], output, self.task.outputs.check)
        values = path.values[: game.count]
        ends = np.array([path.base]), np.array([path.prediction])
        return Attribution(values[:, None], *ends, coalitions=path.points, span=path.span), values


def explain_texts(task: Task) -> Explanation:
    """The attributions of some texts, and the tokens that count most over all of them."""
    texts = _Texts(task)
    meaning = meaning_of(task.model.facts)
    found = one_by_one(task, texts.explain)
    outputs = [int(task.places[place]) for place in range(len(found))]
    rows = [
        replace(row_of(task, place, one, values), shown=tuple(texts.tokens[place]))
        for place, (one, values) in enumerate(found)
    ]
    games = [texts.game(place) for place in range(len(rows))]
    checks = checks_of(task, texts.method, [one for one, _ in found], games, [row.values for row in rows], outputs)
    parts, sizes = _common(rows)
    return Explanation(
        family="text",
        method=texts.method,
        methods=(texts.method,),
        unit=meaning.unit,
        outputs=meaning.names,
        output=task.output,
        parts=parts,
        rows=tuple(rows),
        size=sizes[:, None],
        checks=tuple(checks),
        notes=tuple(task.notes),
    )


def _common(rows: list[RowExplained]) -> tuple[tuple[str, ...], np.ndarray]:
    """The tokens that add or take most, with what they add to a text on average over all."""
    found: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        for token, value in zip(row.shown, row.values, strict=True):
            found[token] += float(value) / len(rows)
    order = sorted(found, key=lambda token: (-abs(found[token]), token))[:MOST_SHOWN]
    return tuple(order), np.array([found[token] for token in order])
