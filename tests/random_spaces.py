"""Random spaces for property tests: every kind of parameter, with conditions over earlier ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from goodfit.search_spaces import Choice, Fixed, Float, Int, Parameter, Space

WORDS = ("sgd", "adam", "relu", "no", "true", "1")


@st.composite
def parameters(draw: st.DrawFn, index: int, before: list[Parameter], finite: bool) -> Parameter:
    name, when = f"p{index}", draw(conditions(before))
    kind = draw(st.sampled_from(["float", "int", "log int", "choice", "fixed"]))
    if kind == "float":
        first, span = draw(st.integers(1, 500)), draw(st.integers(0, 500))
        low, high = first / 100, (first + span) / 100
        if draw(st.booleans()) and high > low:
            return Float(name, low, high, step=max(span // draw(st.integers(1, 4)), 1) / 100, when=when)
        points = draw(st.integers(2, 5)) if finite else None
        return Float(name, low, high, log=draw(st.booleans()), points=points, when=when)
    if kind == "int":
        low_int = draw(st.integers(-5, 5))
        span = draw(st.integers(0, 6))
        return Int(name, low_int, low_int + span, step=draw(st.integers(1, span)) if span else 1, when=when)
    if kind == "log int":
        if draw(st.booleans()):
            return Int(name, draw(st.integers(1, 20)), 64, log=True, step=draw(st.integers(8, 40)), when=when)
        return Int(name, 1, 64, log=True, points=draw(st.integers(2, 5)), when=when)
    if kind == "choice":
        values = st.lists(st.sampled_from([*WORDS, 0, 2, 3.5, None]), min_size=1, max_size=4, unique_by=repr)
        flags = st.lists(st.booleans(), min_size=1, max_size=2, unique=True)
        return Choice(name, tuple(draw(values | flags)), when=when)
    return Fixed(name, draw(st.sampled_from([*WORDS, 2, 0.5, True, None])), when=when)


@st.composite
def conditions(draw: st.DrawFn, before: list[Parameter]) -> dict[str, Any]:
    if not before or draw(st.integers(0, 2)):
        return {}
    chosen = draw(st.lists(st.sampled_from(before), min_size=1, max_size=2, unique_by=lambda item: item.name))
    return {item.name: draw(requirements(item)) for item in chosen}


@st.composite
def requirements(draw: st.DrawFn, target: Parameter) -> Any:
    if isinstance(target, (Float, Int)):
        middle = draw(st.sampled_from([target.low, target.high]))
        return draw(st.sampled_from([{"low": middle}, {"high": middle}, {"low": target.low, "high": middle}]))
    values = list(target.choices) if isinstance(target, Choice) else [target.value]
    some = draw(st.lists(st.sampled_from(values), min_size=1, max_size=2, unique_by=repr))
    return some if draw(st.booleans()) else some[0]


@st.composite
def spaces(draw: st.DrawFn, finite: bool = True, most: int = 5) -> Space:
    found: list[Parameter] = []
    for index in range(draw(st.integers(1, most))):
        found.append(draw(parameters(index, found, finite)))
    return Space(tuple(found))
