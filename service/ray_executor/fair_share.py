"""How the workers of a cluster are divided among studies. Pure: claims and nodes in, numbers out.

Whoever has the highest priority gets all the workers that it can use; what is left goes to the next. Among equals
they go round, one worker at a time. All runners decide alike, each for its own study: nobody has to be asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from goodfit.service.ports import Claim
from goodfit.service.ray_executor.ray_words import Resources

_SLACK = 1e-9  # ten tenths are one


def divided(claims: Sequence[Claim], nodes: Sequence[Resources], turn: int = 0) -> dict[int, int]:
    """How many workers each study should have, by its id.

    Args:
        claims: of the studies that share the cluster.
        nodes: all that each node has.
        turn: where there are fewer workers than equals, whose turn it is: it goes on with each turn.
    """
    left = [dict(node) for node in nodes]
    found: dict[int, int] = {}
    order = sorted(claims, key=lambda claim: (-claim.priority, claim.since, claim.study))
    for _, group in itertools.groupby(order, key=lambda claim: claim.priority):
        equals = list(group)
        given, rest = _in_turns(equals, left)
        if len(equals) > 1 and any(not given[claim.study] and _is_hungry(claim, left) for claim in equals):
            first = turn % len(equals)
            given, rest = _in_turns(equals[first:] + equals[:first], left)
        found |= given
        left = rest
    return found


def _is_hungry(claim: Claim, nodes: Sequence[Resources]) -> bool:
    """Whether a study could use a worker that there is."""
    return claim.workers != 0 and any(_fits(claim, node) for node in nodes)


def _in_turns(claims: Sequence[Claim], nodes: Sequence[Resources]) -> tuple[dict[int, int], list[dict[str, float]]]:
    """One worker to each, round after round, until nobody can use or place another; and what is left then."""
    left = [dict(node) for node in nodes]
    given = {claim.study: 0 for claim in claims}
    looked_at = dict.fromkeys(given, 0)  # nodes before this one have no room for the study: room only shrinks
    waiting = list(claims)
    while waiting:
        for claim in list(waiting):
            node = looked_at[claim.study]
            while node < len(left) and not _fits(claim, left[node]):
                node += 1
            looked_at[claim.study] = node
            if node == len(left) or given[claim.study] == claim.workers:
                waiting.remove(claim)
                continue
            for name, amount in claim.resources.items():
                left[node][name] = left[node].get(name, 0.0) - amount
            given[claim.study] += 1
    return given, left


def _fits(claim: Claim, node: Resources) -> bool:
    return all(node.get(name, 0.0) + _SLACK >= amount for name, amount in claim.resources.items())
