"""The winner of a search as a model that predicts."""

import json
from pathlib import Path

from safetensors.torch import load_file

from winnow.errors import StudyError
from winnow.objectives.prediction import Model
from winnow.search.analysis import model_export
from winnow.search.api.study import Study, load_study
from winnow.storage import Storage


def load_winner(study: str, storage: str | Storage | None = None, device: str = "cpu") -> Model:
    """Load the confirmed winner of the study of this name.

    Raises StudyError where there is no such study or it has not been confirmed, StorageError.
    """
    return load_model(load_study(study, storage), device)


def load_model(source: Study | str | Path, device: str = "cpu") -> Model:
    """Load the confirmed winner of a study, or the model in a folder that `study.export_model` wrote.

    Raises StudyError where there is no such model, or the study has not been confirmed.
    """
    if isinstance(source, Study):
        model, _ = model_export.restore(*source.confirmed(), device)
        return model
    folder = Path(source)
    try:
        about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "model.safetensors")
        return Model(about["config"], weights, about["inputs"], device)
    except (OSError, ValueError, KeyError) as error:
        raise StudyError(
            f"{folder} holds no model of Winnow's ({error})",
            "give a folder written by winnow confirm --export; winnow.load_winner takes the name of a study",
        ) from None
