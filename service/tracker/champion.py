"""The best models of a study in MLflow's registry: logged once, a version once, and the aliases on them."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from goodfit.service.errors import TrackingError
from goodfit.service.records import Study, Trial
from goodfit.service.release import CANDIDATE, CHAMPION, Standing
from goodfit.service.tracker.content import identity, release_tags
from goodfit.service.tracker.experiment import Experiment, error_code, names

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature


@dataclass(frozen=True, slots=True)
class ModelExport:
    """A model as it is to be logged.

    Attributes:
        path: a folder or file that `loader_module` can load.
        inputs: an example batch, a numpy array or a DataFrame: the signature comes from it.
        outputs: what the model makes of it.
        loader_module: has `_load_pyfunc(path)`.
        pip_requirements: what loading needs; empty: this version of goodfit.
    """

    path: Path
    inputs: Any
    outputs: Any
    loader_module: str = "goodfit.trainers.prediction.model_folder"
    pip_requirements: tuple[str, ...] = ()


# The trial and an empty folder -> its model; its checkpoint, where the model cannot be rebuilt; None without either.
ExportModel = Callable[[Trial, Path], ModelExport | Path | None]


def publish(
    client: MlflowClient, study: Study, trial: Trial, experiment: Experiment, study_run_id: str, export: ExportModel
) -> ModelVersion | None:
    """Register a trial's model under the experiment's name.

    A version that is there already, from a run that was cut short, is taken as it is. A model
    that cannot be rebuilt leaves its checkpoint with the study's run and is not registered.

    Returns:
        Its version, or None where nothing was registered.
    """
    name = _model_name(client, study, experiment)
    found = _version_of(client, name, study, trial)
    if found is None:
        model = _logged(client, study, trial, experiment, study_run_id, export)
        if model is None:
            return None
        found = _register(client, name, study, trial, study_run_id, model)
    return found


def assign(
    client: MlflowClient,
    study: Study,
    experiment: Experiment,
    stands: Standing,
    versions: Mapping[int, ModelVersion | None],
) -> None:
    """Move the aliases to where the study's decisions have them, and say why with each version.

    An alias that no model of the study is to have is taken from its versions, and left with those of others.

    Args:
        client: MLflow's.
        study: the record.
        experiment: that it has in MLflow.
        stands: what its decisions come to.
        versions: by trial, the versions of the models that have an alias or are told of.
    """
    name = _model_name(client, study, experiment)
    for trial, found in versions.items():
        if found is not None:
            _describe(client, found, stands, trial)
    for alias, number in ((CHAMPION, stands.champion), (CANDIDATE, stands.candidate)):
        wanted = None if number is None else versions.get(number)
        if wanted is not None:
            client.set_registered_model_alias(name, alias, str(wanted.version))
        elif _has(client, name, alias, study):
            client.delete_registered_model_alias(name, alias)


def _describe(client: MlflowClient, version: ModelVersion, stands: Standing, trial: int) -> None:
    """Say of a version whether it is released, and why."""
    told = release_tags(stands, trial)
    for key, value in told.items():
        if version.tags.get(key, "") != value:
            client.set_model_version_tag(version.name, str(version.version), key, value)
    if stands.reason(trial) and version.description != told["goodfit.release_reason"]:
        client.update_model_version(version.name, str(version.version), told["goodfit.release_reason"])


def _has(client: MlflowClient, name: str, alias: str, study: Study) -> bool:
    """Whether an alias is on a version of this study."""
    try:
        found = client.get_model_version_by_alias(name, alias)
    except Exception as error:
        if error_code(error) in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return False
        raise
    return bool(found.tags.get("goodfit.study_id") == identity(study))


def uri_of(version: ModelVersion | None) -> str | None:
    """models:/NAME/VERSION; None of none."""
    return None if version is None else f"models:/{version.name}/{version.version}"


def _model_name(client: MlflowClient, study: Study, experiment: Experiment) -> str:
    return next(name for name in names(experiment.name) if not _belongs_to_another(client, name, study))


def _tags(study: Study, trial: Trial) -> dict[str, str]:
    return {
        "goodfit.study": study.name,
        "goodfit.study_id": identity(study),
        "goodfit.trial": str(trial.number),
    }


def _belongs_to_another(client: MlflowClient, name: str, study: Study) -> bool:
    """Whether a registered model of this name is not from a study of this name."""
    try:
        found = client.get_registered_model(name)
    except Exception as error:
        if error_code(error) == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
    return bool(found.tags.get("goodfit.study") != study.name)


def _version_of(client: MlflowClient, name: str, study: Study, trial: Trial) -> ModelVersion | None:
    ours = _tags(study, trial)
    for found in client.search_model_versions(f"name = '{name}'"):
        if {key: found.tags.get(key) for key in ours} == ours:
            return found
    return None


def _register(
    client: MlflowClient, name: str, study: Study, trial: Trial, study_run_id: str, model: LoggedModel
) -> ModelVersion:
    try:
        client.create_registered_model(name, tags={"goodfit.study": study.name})
    except Exception as error:
        if error_code(error) != "RESOURCE_ALREADY_EXISTS":
            raise
    return client.create_model_version(
        name,
        source=model.artifact_location,
        run_id=study_run_id,
        tags=_tags(study, trial),
        model_id=model.model_id,
        await_creation_for=0,
    )


def _logged(
    client: MlflowClient, study: Study, trial: Trial, experiment: Experiment, study_run_id: str, export: ExportModel
) -> LoggedModel | None:
    """The trial's model in MLflow; a logging that was cut short is taken up again."""
    there = client.search_logged_models([experiment.id], filter_string=f"name = '{_label(trial)}'")
    if there and there[0].status.value == "READY":
        return there[0]
    with TemporaryDirectory(prefix="goodfit-") as scratch:
        folder = Path(scratch, "export")
        folder.mkdir()
        exported = _exported(export, trial, folder)
        if exported is None:
            return None
        if isinstance(exported, Path):
            client.log_artifact(study_run_id, str(exported), "checkpoint")
            return None
        model = there[0] if there else _begun(client, study, trial, experiment, study_run_id)
        return _log(client, study_run_id, model, exported, Path(scratch, "model"))


def _exported(export: ExportModel, trial: Trial, folder: Path) -> ModelExport | Path | None:
    try:
        return export(trial, folder)
    except Exception as error:
        raise TrackingError(f"the model of trial {trial.number} cannot be exported: {error}") from error


def _begun(client: MlflowClient, study: Study, trial: Trial, experiment: Experiment, study_run_id: str) -> LoggedModel:
    return client.create_logged_model(
        experiment.id,
        name=_label(trial),
        source_run_id=study_run_id,
        tags=_tags(study, trial),
        model_type=study.trainer or "",
    )


def _label(trial: Trial) -> str:
    return f"trial-{trial.number}"


def _log(
    client: MlflowClient, study_run_id: str, model: LoggedModel, exported: ModelExport, folder: Path
) -> LoggedModel:
    from mlflow.entities import LoggedModelOutput

    _save(exported, folder, study_run_id, model.model_id)
    client.log_model_artifacts(model.model_id, str(folder))
    outputs = client.get_run(study_run_id).outputs
    if not any(output.model_id == model.model_id for output in (outputs.model_outputs if outputs else [])):
        client.log_outputs(study_run_id, [LoggedModelOutput(model.model_id, step=0)])
    return client.finalize_logged_model(model.model_id, "READY")


def _save(exported: ModelExport, folder: Path, study_run_id: str, model_id: str) -> None:
    """Write the model as MLflow loads it."""
    with warnings.catch_warnings():
        # Some at import, and one that asks for an example: rows of the user's data.
        warnings.simplefilter("ignore", UserWarning)
        from mlflow.models import Model
        from mlflow.pyfunc import save_model

        with _unchecked():
            save_model(
                str(folder),
                loader_module=exported.loader_module,
                data_path=str(exported.path),
                signature=_signature(exported),
                pip_requirements=list(exported.pip_requirements) or [f"goodfit=={version('goodfit')}"],
                mlflow_model=Model(run_id=study_run_id, model_id=model_id),
            )


@contextlib.contextmanager
def _unchecked() -> Iterator[None]:
    """Have MLflow not look through all installed packages for those that a model needs: they are what exported it."""
    from mlflow.utils import environment

    check = "warn_dependency_requirement_mismatches"
    before = getattr(environment, check)
    setattr(environment, check, lambda _requirements: None)
    try:
        yield
    finally:
        setattr(environment, check, before)


def _signature(exported: ModelExport) -> ModelSignature:
    """What goes in and comes out. The columns of a DataFrame are named and have no type.

    By a type MLflow refuses what the model itself takes: whole numbers or booleans in a column where
    the example has a float, numbers where it has a category.
    """
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types.schema import AnyType, ColSpec, Schema, TensorSpec

    signature = infer_signature(exported.inputs, exported.outputs)
    if not hasattr(exported.inputs, "columns"):
        return signature
    any_type = AnyType()  # type: ignore[no-untyped-call]
    columns: list[ColSpec | TensorSpec] = [ColSpec(any_type, str(name)) for name in exported.inputs.columns]
    return ModelSignature(Schema(columns), signature.outputs)
