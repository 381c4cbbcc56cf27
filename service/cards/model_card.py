"""A model card in the form of the Hugging Face hub, that `huggingface_hub.ModelCard.load` reads.

What only people know (what the model is meant for, whom it may harm, its licence) is left to them, marked by
TO_WRITE.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from goodfit.service.cards.facts import LEVEL, CardFacts, DataFacts, Score

TO_WRITE = "**[To be written by the owner of the model.]**"
LONGEST = 2000  # characters of a text
# What the hub calls a kind of data and a task.
_TASKS = {
    ("table", "classification"): "tabular-classification",
    ("table", "regression"): "tabular-regression",
    ("image", "classification"): "image-classification",
    ("text", "classification"): "text-classification",
    ("series", "regression"): "time-series-forecasting",
    ("corpus", "language"): "text-generation",
}
_SPLITS = {"test": "test", "validation": "validation", "train": "train"}


def model_card(facts: CardFacts) -> str:
    """The card as Markdown, with its head; the same for the same facts."""
    sections = [
        ("", _summary(facts)),
        ("Intended use", _intended()),
        ("Data", _data(facts.data)),
        ("Evaluation", _evaluation(facts)),
        ("Groups", _groups(facts.groups)),
        ("Limits", _limits(facts)),
        ("Training", _training(facts)),
        ("Energy and time", _costs(facts.costs, facts.origin)),
        ("Provenance", _provenance(facts)),
        ("Release", _release(facts.release)),
        ("How to use it", _usage(facts)),
    ]
    parts = []
    for title, lines in sections:
        text = "\n".join(lines).strip()
        if text:
            parts.append(f"## {title}\n\n{text}" if title else text)
    return f"---\n{_head(facts)}---\n\n# {_text(facts.name)}\n\n" + "\n\n".join(parts) + "\n"


def _head(facts: CardFacts) -> str:
    """The YAML head."""
    import yaml

    task = _TASKS.get((facts.kind or "", facts.task or ""), "other")
    head: dict[str, Any] = {
        "license": "unknown",
        "library_name": "goodfit",
        "tags": ["goodfit", f"trainer:{_slug(facts.trainer)}"],
    }
    if task != "other":
        head["pipeline_tag"] = task
    if facts.data is not None:
        head["datasets"] = [_slug(facts.data.name)]
    if names := list(dict.fromkeys(score.name for score in facts.scores)):
        head["metrics"] = [_slug(name) for name in names]
    if results := _results(facts, task):
        head["model-index"] = [{"name": facts.name, "results": results}]
    text: str = yaml.safe_dump(_plain(head), sort_keys=False, allow_unicode=True, width=120)
    return text


def _results(facts: CardFacts, task: str) -> list[dict[str, Any]]:
    """One result a split that was not trained on."""
    data = facts.data
    name = data.name if data is not None else f"data of the trainer {facts.trainer}"
    found: list[dict[str, Any]] = []
    for split in ("test", "validation"):
        scores = [score for score in facts.scores if score.split == split]
        if scores:
            dataset: dict[str, Any] = {"name": name, "type": _slug(name), "split": _SPLITS[split]}
            if data is not None and data.digest:
                dataset["revision"] = data.digest
            found.append(
                {
                    "task": {"type": task, "name": (facts.task or task).replace("-", " ").capitalize()},
                    "dataset": dataset,
                    "metrics": [_metric(score) for score in scores],
                }
            )
    return found


def _metric(score: Score) -> dict[str, Any]:
    of = f"mean of {_count(score.seeds, 'seed')}" if score.seeds else "at the best epoch"
    found: dict[str, Any] = {
        "type": _slug(score.name),
        "value": float(f"{score.value:.6g}"),
        "name": f"{score.name} ({score.split}, {of})",
    }
    if score.low is not None and score.high is not None:
        interval = [float(f"{score.low:.6g}"), float(f"{score.high:.6g}")]
        found["args"] = {"interval": interval, "level": LEVEL, "seeds": score.seeds}
    return found


def _summary(facts: CardFacts) -> Iterator[str]:
    goal = f"{'the largest' if facts.direction == 'maximize' else 'the smallest'} {_text(facts.metric)}"
    on = f" on {_text(facts.data.name)}" if facts.data is not None else ""
    confirmed = "confirmed on fresh seeds" if facts.confirmed else "**not confirmed on fresh seeds**"
    yield (
        f"The model of trial {facts.trial} of the Goodfit study `{facts.name}`: trainer `{_code(facts.trainer)}`{on}, "
        f"chosen for {goal} among {_count(facts.costs['trials'], 'trial')}, {confirmed}. "
        f"Verdict of its fit: {facts.verdict or 'none'}."
    )
    yield ""
    yield "This card was written from the study's records. What they cannot know is marked for its owner to write."


def _intended() -> Iterator[str]:
    for title in ("What it is for, and for whom", "What it must not be used for", "Whom it may harm, and how"):
        yield f"### {title}\n\n{TO_WRITE}\n"
    yield f"### License\n\n{TO_WRITE} Put its name in place of `license: unknown` in the head, too."


def _data(data: DataFacts | None) -> Iterator[str]:
    if data is None:
        yield "The trainer brings its own data; nothing of them is recorded."
        return
    where = "built into Goodfit" if data.built_in else "a folder of files" if data.folder else "a file"
    yield f"- Source: `{_code(data.name)}` ({where}); digest `{_code(data.digest or 'not known')}`"
    for file in data.files[:10]:
        yield f"- File: `{_code(file.name)}`, {file.bytes:,} bytes, SHA-256 `{file.sha256}`"
    if data.target:
        yield f"- Predicts: `{_code(data.target)}`"
    if data.problem:
        yield f"- **{_text(data.problem)}**"
    report = data.report or {}
    if report.get("rows"):
        splits = ", ".join(f"{name} {count:,}" for name, count in (report.get("splits") or {}).items())
        yield f"- Rows: {report['rows']:,} ({splits})" + (
            f"; {len(report['columns'])} columns of inputs" if report.get("columns") else ""
        )
    for name, count in list(((report.get("target") or {}).get("classes") or {}).items())[:20]:
        yield f"- Class `{_code(name)}`: {count['all']:,} rows"
    said = (f"{key}: {value}" for key, value in data.split.items() if value not in (None, False))
    yield f"- Split: `{_code(', '.join(said))}`"
    yield f"\nHow the data were collected, and whether they may be used for this: {TO_WRITE}"


def _evaluation(facts: CardFacts) -> Iterator[str]:
    if not facts.confirmed:
        yield (
            "**The model was not confirmed on fresh seeds, and has no score on a test split.** The validation scores "
            "below are those that it was chosen by: they are too good to be expected on new data.\n"
        )
    yield f"| metric | split | value | {LEVEL:.0%} interval | from |\n|---|---|---|---|---|"
    for score in facts.scores:
        interval = "-" if score.low is None or score.high is None else f"{score.low:.4g} to {score.high:.4g}"
        of = f"mean of {_count(score.seeds, 'fresh seed')}" if score.seeds else "the best epoch"
        yield f"| {_text(score.name)} | {score.split} | {score.value:.4g} | {interval} | {of} |"
    yield ""
    for sentence in facts.sure:
        yield f"- {_text(sentence)}"
    yield (
        "\nIntervals are of the mean over seeds (Student's t): they say how much training anew changes the score, not "
        "how it changes on other people's data."
    )


def _groups(groups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not groups:
        yield (
            "No groups of people were compared: the study has no `fairness:` section. Whether the model serves some "
            "worse than others is not known."
        )
        return
    rates = list(dict.fromkeys(name for row in groups for name in row["rates"]))
    yield f"| group | split | {' | '.join(map(_text, rates))} |\n|---|---|{'---|' * len(rates)}"
    for row in groups:
        values = (row["rates"].get(name) for name in rates)
        cells = " | ".join(map(_rate, values))
        yield f"| {_text(row['group'])} | {_text(row['split'])} | {cells} |"


def _rate(value: Any) -> str:
    """A rate, with its interval where it has one: a number, or its value and the ends of the interval."""
    if not isinstance(value, (list, tuple)):
        return "-" if value is None else f"{value:.4g}"
    middle, low, high = value
    return _rate(middle) + ("" if low is None or high is None else f" ({low:.4g} to {high:.4g})")


def _limits(facts: CardFacts) -> Iterator[str]:
    """What the diagnosis has found; never empty, for no model has none."""
    found = list(facts.limits)
    if facts.verdict not in (None, "good_fit"):
        found.insert(0, f"its verdict is {facts.verdict}, not good_fit")
    if not facts.confirmed:
        found.insert(0, "it was not confirmed: how it does on data that did not choose it is not known")
    for text in found:
        yield f"- {_text(text)}"
    if not found:
        yield "The diagnosis of the study has found no problem."
    yield f"\nKnown limits beyond that: {TO_WRITE}"


def _training(facts: CardFacts) -> Iterator[str]:
    yield (
        f"{_count(facts.epochs, 'epoch')}"
        + (f", {facts.size:,} parameters" if facts.size else "")
        + (f"; the gap between validation and training is {facts.gap:.4g}" if facts.gap is not None else "")
    )
    yield "\n| parameter | value |\n|---|---|"
    for name, value in facts.params.items():
        yield f"| `{_code(name)}` | `{_code(f'{value:.6g}' if isinstance(value, float) else value)}` |"


def _costs(costs: Mapping[str, Any], origin: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"- The study: {_time(costs['seconds'])}, {_count(costs['trials'], 'trial')}, "
        f"{_count(costs['epochs'], 'epoch')}"
    )
    if costs.get("training_seconds") is not None:
        yield f"- This model: {_time(costs['training_seconds'])} of training"
    if costs.get("joules") is not None:
        yield (
            f"- Energy while this model trained: {costs['joules'] / 3600:.4g} Wh, as far as the machine's processors "
            "and GPUs tell it; other work on the machine is in it"
        )
    else:
        yield "- Energy: not measured; this machine does not tell it"
    machine = origin.get("machine") or {}
    gpus = ", ".join(machine.get("gpus") or ()) or "no GPU"
    yield f"- Machine: {_text(machine.get('processor') or 'not known')}, {machine.get('cpus')} CPUs, {_text(gpus)}"


def _provenance(facts: CardFacts) -> Iterator[str]:
    origin, git = facts.origin, facts.origin.get("git")
    yield f"- Study `{facts.name}`, specification `{facts.fingerprint}`" + (
        f", ended {facts.ended}" if facts.ended else ""
    )
    if git is None:
        yield "- Repository: none; what was trained did not lie in a git repository"
    elif git.get("commit") is None:
        yield f"- Repository: its commit is not known ({_text(git.get('problem') or 'nothing was committed yet')})"
    else:
        dirty = {True: ", **with changes that were not committed**", False: ", nothing uncommitted"}
        yield f"- Repository: commit `{git['commit']}`{dirty.get(git.get('dirty'), '')}"
    files = (origin.get("code") or {}).get("files") or {}
    for name, digest in list(files.items())[:20]:
        yield f"- Code: `{_code(name)}` (`{digest}`)"
    yield f"- Goodfit {origin.get('goodfit')}, Python {origin.get('python')}"
    if packages := origin.get("packages"):
        yield f"- Packages: {', '.join(f'{name} {version}' for name, version in packages.items())}"
    seeds = (f"{key} {value}" for key, value in (origin.get("seeds") or {}).items() if value is not None)
    yield f"- Seeds: {_text(', '.join(seeds))}"
    if facts.audit_head:
        yield f"- Audit log: last hash `{facts.audit_head}` (`goodfit audit {facts.name}`)"
    yield f"- Train it again, and compare to the bit: `goodfit rerun {facts.name} {facts.trial}`"


def _release(release: Mapping[str, Any]) -> Iterator[str]:
    status = release.get("status") or "not decided"
    yield f"Status: **{status}**" + (f" ({_text(release['reason'])})" if release.get("reason") else "")
    if gates := release.get("gates"):
        yield "\n| gate | holds | judged by |\n|---|---|---|"
        for gate in gates:
            yield f"| `{_code(gate['gate'])}` | {'yes' if gate['held'] else '**no**'} | {_text(gate['reason'])} |"
    reviews = [one for one in release.get("decisions") or () if one["action"] != "release"]
    if reviews:
        yield ""
    for one in reviews:
        yield f"- {one['at']}: {_text(one['text'])}"


def _usage(facts: CardFacts) -> Iterator[str]:
    yield f'```python\nimport goodfit\n\nmodel = goodfit.connect()["{facts.name}"].model({facts.trial})'
    yield "model.predict(rows)\n```"
    if facts.model_uri:
        yield f'\nOr from MLflow: `mlflow.pyfunc.load_model("{facts.model_uri}")`'


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{timedelta(seconds=round(seconds))} h"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _slug(text: str) -> str:
    """A name as the hub takes it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:96] or "unnamed"


def _text(value: object) -> str:
    """A text that is no Markdown, no HTML and no line of its own."""
    text = " ".join(_safe(value).split())
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", text)


def _code(value: object) -> str:
    """A text between backquotes."""
    return " ".join(_safe(value).split()).replace("`", "'").replace("|", "\\|")


def _safe(value: object) -> str:
    text = str(value).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(char if char.isprintable() or char.isspace() else f"\\x{ord(char):02x}" for char in text)[:LONGEST]


def _plain(value: Any) -> Any:
    """Values for YAML: texts that every YAML can hold, no number that is not finite."""
    if isinstance(value, str):
        return _safe(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return [_plain(item) for item in value] if isinstance(value, Iterable) else value
