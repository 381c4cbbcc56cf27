"""The mirror of the store in MLflow, for people. The only room that knows MLflow, which is imported late.

mirror.py pushes, champion.py registers the best model, content.py says what is shown of a record,
origin.py where it comes from, datasets.py what it was trained on, experiment.py finds a study's experiment,
database.py makes MLflow's file, process.py runs the mirror beside the training, ui.py opens MLflow's pages,
view.py says what they show of a study at first, annotation.py brings notes and tags
there and reads the audit log's hash back, deleted.py collects what was deleted.
"""

from goodfit.service.tracker.annotation import audit_head, keep_files, keep_note
from goodfit.service.tracker.champion import ModelExport
from goodfit.service.tracker.deleted import remove_deleted
from goodfit.service.tracker.experiment import prepare, remove_study
from goodfit.service.tracker.mirror import CONCLUDED, Mirror
from goodfit.service.tracker.process import MlflowTracker, read_private, run_mirror
from goodfit.service.tracker.ui import ui_command, ui_link
from goodfit.service.tracker.view import keep_view

__all__ = [
    "CONCLUDED",
    "Mirror",
    "MlflowTracker",
    "ModelExport",
    "audit_head",
    "keep_files",
    "keep_note",
    "keep_view",
    "prepare",
    "read_private",
    "remove_deleted",
    "remove_study",
    "run_mirror",
    "ui_command",
    "ui_link",
]
