"""`goodfit diagnose`: what is known of a study, the answer first."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from goodfit.service.cli.show import line
from goodfit.service.cli.tables import show, table
from goodfit.service.screen.words import number, verdict_counts

FEWEST = 10  # trials: of fewer most checks conclude nothing
SEVERITY_STYLE = {"serious": "red", "warning": "yellow", "info": "cyan"}


def print_diagnosis(facts: Mapping[str, Any]) -> None:
    """The page of `goodfit diagnose NAME`."""
    from rich.text import Text

    count = facts["trials"]
    trials = f"{facts['study']}  {count} trial{'' if count == 1 else 's'}, {facts['complete']} complete: "
    line("study", trials, verdict_counts(facts["verdicts"]))
    for label, text in answer(facts):
        line(label, text)
    _print_importances(facts)
    if pair := facts["interaction"]:
        line("together", f"{' and '.join(pair['parameters'])} interact: tune them together")
    if not facts["findings"]:
        few = f"too few trials: most checks need {FEWEST}"
        line("health", few if facts["trials"] < FEWEST else "no problems found")
    for finding in facts["findings"]:
        line(finding["severity"], Text(finding["text"], SEVERITY_STYLE[finding["severity"]]))
        if finding["edit"]:
            for change in finding["edit"]["set"]:
                line("", f"--set {shlex.quote(change)}")


def print_health(facts: Mapping[str, Any], hint: str) -> None:
    """What must not be missed of a finished study: what is serious in full, the rest by its number."""
    counts = Counter(finding["severity"] for finding in facts["findings"])
    serious, warnings = counts["serious"], counts["warning"]
    counted = [f"{serious} serious finding{'' if serious == 1 else 's'}"] if serious else []
    counted += [f"{warnings} warning{'' if warnings == 1 else 's'}"] if warnings else []
    print_serious(facts)
    if counted:
        advised = any(finding["edit"] for finding in facts["findings"] if finding["severity"] != "info")
        print(f"  {' and '.join(counted)}{', with advice' if advised else ''}: {hint}")


def print_serious(facts: Mapping[str, Any]) -> bool:
    """Why the result does not stand; whether there was anything to say."""
    serious = [finding["text"] for finding in facts["findings"] if finding["severity"] == "serious"]
    for text in serious:
        line("  serious", text)
    return bool(serious)


def answer(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Which configuration wins, and how sure that is."""
    from goodfit.service.diagnosis.confirmation import on_test

    winner, optimism = facts["winner"], facts["optimism"]
    metric = facts["metric"]
    if any(finding["severity"] == "serious" for finding in facts["findings"]):
        yield "caution", "do not rely on it: see what is serious below"
    if winner is not None:
        error = f" ± {number(winner['error'])}" if winner["error"] is not None else ""
        named, split = (on_test(metric), "the test split") if winner["tested"] else (metric, "fresh seeds")
        yield (
            "winner",
            f"trial {winner['trial']}, confirmed: {named} {number(winner['mean'])}{error} on {split}",
        )
        yield "", f"{winner['reason']}"
    elif facts["best"] is not None and optimism is not None:
        equal = facts["equal"]
        also = f"; {equal} other{' has' if equal == 1 else 's have'} the same" if equal else ""
        value = number(optimism["validation"])
        yield "best", f"trial {facts['best']}, not confirmed: {metric} {value} on validation{also}"
    else:
        yield "best", "no trial that was trained to its end has a score"
    if optimism is None:
        return
    if optimism["found_on_test"] is not None:
        error = f" ± {number(optimism['test_error'])}" if optimism["test_error"] is not None else ""
        found = optimism["found_on_test"]
        way = f"{number(found)} too good" if found > 0 else f"{number(-found)} better" if found else "just as good"
        yield (
            "optimism",
            f"the best by validation (trial {optimism['trial']}) had {number(optimism['validation'])} there and "
            f"{number(optimism['test'])}{error} on the test split: {way}",
        )
    elif optimism["expected"]:
        luck = f"the best is too good by about {number(optimism['expected'])} by luck alone"
        yield "optimism", f"of {optimism['trials']} trials {luck}"


def _print_importances(facts: Mapping[str, Any]) -> None:
    """What drives the score and what the gap, and which way."""
    shares = facts["importances"]
    names = list(dict.fromkeys([*shares.get("value", {}), *shares.get("gap", {})]))
    if not names:
        return
    ways = {(way["parameter"], way["target"]): way["text"] for way in facts["directions"] if way["shape"] != "unclear"}
    out = table("parameter", "drives the score", "", "drives the gap", "")
    for name in names[:8]:
        cells = [name]
        for target, other in (("value", "score"), ("gap", "gap")):
            share = shares.get(target, {}).get(name)
            cells += [f"{share:.0%}" if share is not None else "-", ways.get((name, other), "")]
        out.add_row(*cells)
    show(out)
