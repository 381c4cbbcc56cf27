"""Points of several values, of which less is better: who dominates whom, the front, the volume that it dominates.

A point dominates another if it is nowhere worse and somewhere better. Plain values; nothing of trials is known here.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

Point = tuple[float, ...]


def dominates(one: Point, other: Point) -> bool:
    """Whether a point is nowhere worse than another, and somewhere better."""
    return one != other and all(mine <= theirs for mine, theirs in zip(one, other, strict=True))


def ranks(points: Sequence[Point]) -> list[int]:
    """The non-dominated rank of each point: 0 of the front, 1 of the front without those, and so on.

    Equal points have one rank. Two objectives take n log n steps; more take up to n * n (ENS of Zhang et al. 2015, "An
    efficient approach to nondominated sorting for evolutionary multiobjective optimization").
    """
    distinct = sorted(set(points))
    two = all(len(point) <= 2 for point in distinct)
    found = _ranks_of_two(distinct) if two else _ranks_of_many(distinct)
    return [found[point] for point in points]


def _ranks_of_two(ordered: Sequence[Point]) -> dict[Point, int]:
    found: dict[Point, int] = {}
    least: list[float] = []  # of each rank the least last value so far, ascending
    for point in ordered:
        rank = bisect_right(least, point[-1])
        least[rank : rank + 1] = [point[-1]]
        found[point] = rank
    return found


def _ranks_of_many(ordered: Sequence[Point]) -> dict[Point, int]:
    found: dict[Point, int] = {}
    fronts: list[list[Point]] = []
    for point in ordered:  # none is dominated by a later one
        free = (rank for rank, front in enumerate(fronts) if not any(dominates(one, point) for one in reversed(front)))
        rank = next(free, len(fronts))
        if rank == len(fronts):
            fronts.append([])
        fronts[rank].append(point)
        found[point] = rank
    return found


def front(points: Sequence[Point]) -> list[int]:
    """The places of the points that no other dominates; of equal ones all."""
    return [place for place, rank in enumerate(ranks(points)) if rank == 0]


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """The volume that lies between the points and a reference, by slices along the last value.

    What is not better than the reference in every value adds nothing.
    """
    inside = {point for point in points if all(value < end for value, end in zip(point, reference, strict=True))}
    return _volume(sorted(inside), reference)


def added_volume(point: Point, points: Sequence[Point], reference: Point) -> float:
    """By how much a point makes the hypervolume of others larger."""
    if any(value >= end for value, end in zip(point, reference, strict=True)):
        return 0.0
    limited = [tuple(map(max, zip(point, other, strict=True))) for other in points]
    own = math.prod(end - value for value, end in zip(point, reference, strict=True))
    return max(0.0, own - hypervolume(limited, reference))


def _volume(points: Sequence[Point], reference: Point) -> float:
    """Of points that are better than the reference in every value, in ascending order."""
    if not points:
        return 0.0
    if len(reference) == 1:
        return reference[0] - points[0][0]
    if len(reference) == 2:
        return _area(points, reference)
    distinct = [points[place] for place in front(points)]
    distinct.sort(key=lambda point: point[-1])
    volume = 0.0
    for place, point in enumerate(distinct):
        end = distinct[place + 1][-1] if place + 1 < len(distinct) else reference[-1]
        if end > point[-1]:
            below = sorted(one[:-1] for one in distinct[: place + 1])
            volume += (end - point[-1]) * _volume(below, reference[:-1])
    return volume


def _area(points: Sequence[Point], reference: Point) -> float:
    area, least = 0.0, reference[1]
    for first, second in points:
        if second < least:
            area += (reference[0] - first) * (least - second)
            least = second
    return area
