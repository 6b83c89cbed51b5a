"""The confirmed winner as a folder: weights, programs, configuration, model card, and a script that evaluates it."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from winnow.errors import StudyError
from winnow.search.analysis.confirm import Confirmation
from winnow.search.analysis.repetitions import ConfirmationPlan, weights
from winnow.search.report.model_card import card

if TYPE_CHECKING:
    from winnow.objectives.own_objective import OwnModel
    from winnow.objectives.prediction import Model

MOST_BYTES = 64 * 2**20
"""Of validation examples that are kept beside a model."""
SCRIPT = '''\
"""Evaluate this model on the validation examples beside it. Needs torch and nothing else: python evaluate.py"""

import json
from pathlib import Path

import torch

folder = Path(__file__).resolve().parent
about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
examples = torch.load(folder / "validation.pt", weights_only=True)
program = torch.export.load(folder / "model.pt2").module()
with torch.inference_mode():
    outputs = torch.cat([program(part) for part in examples["inputs"].split(256)])
if about["inputs"]["class_names"]:
    print(f"validation accuracy {(outputs.argmax(1) == examples['targets']).double().mean().item():.4f}")
else:
    print(f"validation mean squared error {(outputs - examples['targets'][:, 0]).square().mean().item():.4f}")
'''


def write(plan: ConfirmationPlan, found: Confirmation, folder: Path) -> None:
    """Write the winner, as it was trained with the first seed that it was measured on; raises StudyError, OSError.

    The first seed, not the luckiest: its score is one of those whose mean the model card gives. What was there is
    replaced once all is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".") as unfinished:
        _write(plan, found, Path(unfinished))
        for file in Path(unfinished).iterdir():
            file.replace(folder / file.name)


def _write(plan: ConfirmationPlan, found: Confirmation, folder: Path) -> None:
    from winnow.objectives import program

    about = {
        "study": found.study,
        "trial": found.winner_number,
        "seed": found.seeds[0],
        "metric": found.metric,
        "value": found.winner.scores[0],
    }
    if not plan.study.spec.built_in:
        own = restore_own(plan, found)
        _save(own.weights, folder)
        about |= {"objective": plan.study.spec.objective, "config": own.config}
        (folder / "config.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(card(found, about), encoding="utf-8")
        return
    model, data = restore(plan, found)
    _save(model.network.state_dict(), folder)
    written = program.write(model, folder)
    about |= {
        "data": plan.study.spec.data,
        "fingerprint": data.fingerprint,
        "examples": {"train": len(data.train.targets), "validation": len(data.validation.targets)},
        "config": model.config,
        "inputs": model.inputs,
        "programs": written,
    }
    (folder / "config.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    if program.TORCH in written:
        _write_validation(data.validation, folder)
        (folder / "evaluate.py").write_text(SCRIPT, encoding="utf-8")
    (folder / "README.md").write_text(card(found, about), encoding="utf-8")


def _save(weights: Mapping[str, Any], folder: Path) -> None:
    try:
        from safetensors.torch import save_file
    except ImportError:
        raise StudyError("the package safetensors is missing", "pip install 'winnow-hpo[train]'") from None
    save_file(
        {name: tensor.clone().contiguous() for name, tensor in weights.items()},  # tied ones too, which share memory
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )


def restore_own(plan: ConfirmationPlan, found: Confirmation) -> "OwnModel":
    """Return what the user's own objective handed over of the confirmed winner; raises StudyError."""
    from winnow.objectives import snapshots
    from winnow.objectives.own_objective import OwnModel

    config, content = weights(plan, found.winner_number, found.seeds[0])
    return OwnModel(config, snapshots.from_bytes(content))


def restore(plan: ConfirmationPlan, found: Confirmation, device: str = "cpu") -> "tuple[Model, Any]":
    """Return the confirmed winner as a model, and the data that it was trained on; raises StudyError."""
    from winnow.objectives import snapshots
    from winnow.objectives.data import loading, sources
    from winnow.objectives.prediction import Model, describe

    config, content = weights(plan, found.winner_number, found.seeds[0])
    spec = plan.study.spec.data_spec
    data = loading.load(spec)
    inputs = describe(data, sources.class_names(spec), spec.levels)
    return Model(config, snapshots.from_bytes(content), inputs, device), data


def _write_validation(validation: Any, folder: Path) -> None:
    """Keep the validation examples, or of large ones as many as fit, taken evenly."""
    import torch

    count = len(validation.targets)
    kept = min(count, max(1, MOST_BYTES * count // max(1, validation.inputs.nbytes)))
    index = torch.arange(kept) * count // kept
    inputs = validation.inputs.index_select(0, index)
    torch.save({"inputs": inputs, "targets": validation.targets[index]}, folder / "validation.pt")
