"""The winner of a search as a model that predicts."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from winnow.errors import StudyError
from winnow.objectives.prediction import Model
from winnow.search.api import model_export
from winnow.search.api.study import Study, load_study
from winnow.storage import Storage


def load_winner(study: str, storage: str | Storage | None = None, device: str = "cpu") -> Any:
    """Load the confirmed winner of the study of this name: a `Model`.

    Of an objective of one's own, what it handed over by `trial.keep_model`: its `config` and its `weights`.
    Raises StudyError where there is no such study or it has not been confirmed, StorageError.
    """
    found = load_study(study, storage)
    return load_model(found, device) if found.spec.built_in else model_export.restore_own(*found.confirmed())


def load_model(source: Study | str | Path, device: str = "cpu") -> Model:
    """Load the confirmed winner of a study, or the model in a folder that `study.export_model` wrote.

    Raises StudyError where there is no such model, or the study has not been confirmed.
    """
    if isinstance(source, Study):
        _refuse_own(source.spec.objective if not source.spec.built_in else "", f"winnow.load_winner({source.name!r})")
        model, _ = model_export.restore(*source.confirmed(), device)
        return model
    folder = Path(source)
    try:
        about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        _refuse_own(about.get("objective", ""), "safetensors.torch.load_file('model.safetensors')")
        weights = load_file(folder / "model.safetensors")
        return Model(about["config"], weights, about["inputs"], device)
    except (OSError, ValueError, KeyError) as error:
        raise StudyError(
            f"{folder} holds no model of Winnow's ({error})",
            "give a folder written by winnow confirm --export; winnow.load_winner takes the name of a study",
        ) from None


def _refuse_own(objective: str, remedy: str) -> None:
    """Raise StudyError where an objective of one's own trained the model."""
    if objective:
        raise StudyError(
            f"{objective} trained this model, and alone knows how to build it and what it takes",
            f"build the module as it does, and give it the weights of {remedy}",
        )
