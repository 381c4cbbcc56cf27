"""The pages for users of Lightning, Hugging Face and pandas do what they say: their scripts run as they are."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import goodfit
from tests.e2e import forked
from tests.tracking import new_mlflow

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {
    "coming_from_lightning.md": ("lightning", ["waves"], "type(module) is Net and not module.training"),
    "coming_from_hugging_face.md": ("transformers", ["sentences"], "type(model) is BertForSequenceClassification"),
    "coming_from_pandas.md": (
        "sklearn",
        ["tumours", "tumours-linear"],
        "linear.model().module.steps[1][0][:3] == 'sgd'",
    ),
}
# Without workers of Ray, which take seconds to start.
HERE = "import functools, goodfit\ngoodfit.run = functools.partial(goodfit.run, executor='local')\n"


@pytest.mark.e2e
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", PAGES)
def test_the_script_of_the_page_runs(tmp_path: Path, page: str) -> None:
    needs, studies, holds = PAGES[page]
    pytest.importorskip(needs, reason=f"{needs} is not installed")
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    script = "\n".join([HERE, *blocks, f"assert {holds}, {holds!r}"])
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    new_mlflow(tmp_path / ".goodfit")
    done = forked.script(Path("script.py"), {**os.environ, "CUDA_VISIBLE_DEVICES": ""}, tmp_path, timeout=1500)
    assert done.returncode == 0, done.stderr
    for name in studies:
        study = goodfit.connect(tmp_path / ".goodfit")[name]
        assert study.state == "DONE"
        assert study.best().verdict in {"good_fit", "overfit", "underfit", "unfinished"}
