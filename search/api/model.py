"""The winner of a search as a model that predicts."""

import json
from pathlib import Path

from safetensors.torch import load_file

from winnow.errors import StudyError
from winnow.objectives import snapshots
from winnow.objectives.data import loading, sources
from winnow.objectives.prediction import Model, describe
from winnow.search.analysis import repetitions
from winnow.search.api.study import Study


def load_model(source: Study | str | Path, device: str = "cpu") -> Model:
    """Load the confirmed winner of a study, or the model in a folder that `study.export_model` wrote.

    Raises StudyError where there is no such model, or the study has not been confirmed.
    """
    if isinstance(source, Study):
        plan, found = source.confirmed()
        config, content = repetitions.weights(plan, found.winner_number, found.seeds[0])
        spec = source.spec.data_spec
        inputs = describe(loading.load(spec), sources.class_names(spec))
        return Model(config, snapshots.from_bytes(content), inputs, device)
    folder = Path(source)
    try:
        about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "model.safetensors")
        return Model(about["config"], weights, about["inputs"], device)
    except (OSError, ValueError, KeyError) as error:
        raise StudyError(
            f"{folder} holds no model of Winnow's ({error})", "give a folder written by winnow confirm --export"
        ) from None
