"""docs/benchmarks.md: the tables and plots of kept figures."""

from __future__ import annotations

from pathlib import Path

from benchmarks import page
from benchmarks.figures import Figures, keep, read


def figures(**found: float | tuple[float, ...]) -> Figures:
    made = Figures()
    made.load = 3.0
    for name, value in found.items():
        made.add(name, value, "ms")
    return made


def test_the_page_has_every_figure_and_names_what_was_not_measured(tmp_path: Path) -> None:
    results = tmp_path / "0.1.0.json"
    engine: dict[str, float | tuple[float, ...]] = {
        "Goodfit, random, 100 trials: a trial": (4.0, 5.0, 6.0),
        "Ray Tune, default, 30 trials: a trial": 1176.0,
    }
    packs = {f"mlp, width 32: {size} together": float(size) for size in (1, 2, 4)}
    packs["mlp, width 32: 4 together, beside their own layers"] = 5.0
    keep(results, "engine", figures(**engine))
    keep(results, "packs", figures(**packs))
    page.write(read(results), tmp_path / "benchmarks.md")
    text = (tmp_path / "benchmarks.md").read_text()
    assert "| Goodfit, random, 100 trials: a trial | 5 ms | 1 | 3 |" in text
    assert "| Ray Tune, default, 30 trials: a trial | 1176 ms |  | 1 |" in text
    assert "The machine was not quiet: its load was 3.0 before." in text
    assert text.endswith("- Confirmation\n")
    assert "- Trials together" not in text
    for name in ("engine", "packs"):
        assert f"(benchmarks/{name}.svg)" in text
        assert (tmp_path / f"benchmarks/{name}.svg").is_file()
    drawn = (tmp_path / "benchmarks/packs.svg").read_text()
    assert "mlp, width 32" in drawn
    assert "beside their own layers" not in drawn


def test_the_plots_of_equal_figures_are_the_same_bytes(tmp_path: Path) -> None:
    results = tmp_path / "0.1.0.json"
    keep(results, "growth", figures(**{f"{size:,} trials: record": size / 100 for size in (100, 1_000)}))
    drawn = []
    for name in ("one", "two"):
        page.write(read(results), tmp_path / f"{name}.md")
        drawn.append((tmp_path / name / "growth.svg").read_bytes())
    assert drawn[0] == drawn[1]
