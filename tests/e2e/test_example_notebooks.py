"""The notebooks in examples/notebooks, each run in a kernel of its own.

Their trials train in the kernel, without workers of Ray, which take seconds to start; test_notebook.py has those.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.e2e import forked
from tests.tracking import new_mlflow

NOTEBOOKS = Path(__file__).parents[2] / "examples/notebooks"
NEEDS = {"lightning": "lightning", "lora": "peft"}

HERE = """
import functools, goodfit, sys
goodfit.run = functools.partial(goodfit.run, executor='local')
sys.path.append(TESTS)
from tests.e2e import forked
forked.fork_processes(lambda: PLACE)
sys.path.remove(TESTS)
"""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", sorted(file.stem for file in NOTEBOOKS.glob("*.ipynb")))
def test_it_runs_to_its_end(name: str, tmp_path: Path) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"{NEEDS[name]} is not installed")
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "notebooks are kept without outputs"
    new_mlflow(tmp_path / ".goodfit")
    here = HERE.replace("TESTS", repr(str(forked.ROOT))).replace("PLACE", repr(forked.server()))
    notebook.cells.insert(0, nbformat.v4.new_code_cell(here))
    NotebookClient(notebook, timeout=1500, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output for output in shown if output["output_type"] == "error"]
    pages = [output["data"].get("text/html", "") for output in shown if "data" in output]
    assert any("<b>" in page and "trials" in page for page in pages), "the picture of the study is missing"
