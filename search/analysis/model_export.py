"""The confirmed winner as a folder: weights, programs, configuration, model card, and a script that evaluates it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from winnow.errors import StudyError
from winnow.search.analysis.confirm import Confirmation
from winnow.search.analysis.formatting import counted, interval, number, spread
from winnow.search.analysis.repetitions import ConfirmationPlan, weights
from winnow.search.analysis.statistics import proportion_interval

if TYPE_CHECKING:
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
    print("validation accuracy", (outputs.argmax(1) == examples["targets"]).double().mean().item())
else:
    print("validation mean squared error", (outputs - examples["targets"][:, 0]).square().mean().item())
'''


def write(plan: ConfirmationPlan, found: Confirmation, folder: Path) -> None:
    """Write the winner, as it was trained with the first seed that it was measured on; raises StudyError, OSError.

    The first seed, not the luckiest: its score is one of those whose mean the model card gives.
    """
    try:
        from safetensors.torch import save_file
    except ImportError:
        raise StudyError("the package safetensors is missing", "pip install 'winnow-hpo[train]'") from None
    from winnow.objectives import program

    model, data = restore(plan, found)
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.contiguous() for name, tensor in model.network.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    written = program.write(model, folder)
    about = {
        "study": found.study,
        "trial": found.winner_number,
        "seed": found.seeds[0],
        "metric": found.metric,
        "value": found.winner.scores[0],
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


def restore(plan: ConfirmationPlan, found: Confirmation, device: str = "cpu") -> "tuple[Model, Any]":
    """Return the confirmed winner as a model, and the data that it was trained on; raises StudyError."""
    if not plan.study.spec.built_in:
        raise StudyError(
            f"the study {plan.study.name!r} has an objective of one's own, which alone knows how to build its models",
            "train the configuration that winnow report shows, and save the model there",
        )
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


def card(found: Confirmation, about: dict[str, Any]) -> str:
    """Return the model card: what this is, what it is worth, and how far to trust that."""
    where = found.quantity
    rows = [("this model", f"validation {where}", number(about["value"]), _interval_of_one(about)), *_measured(found)]
    names = about["inputs"]["class_names"]
    predicts = f"{len(names)} classes: {', '.join(names[:20])}{', …' * (len(names) > 20)}" if names else "a value"
    lines = [
        f"# {found.study}: trial {found.winner_number}",
        "",
        f"The model {about['config']['model']}, trained on {about['data']['name']} with seed {found.seeds[0]}, chosen "
        f"by a hyperparameter search with Winnow. It predicts {predicts}.",
        "",
        f"| what | measured as | {where} | 95 % interval |",
        "|---|---|---|---|",
        *(f"| {what} | {how} | {value} | {between} |" for what, how, value, between in rows),
        "",
        f"Means and standard deviations are over {counted(len(found.seeds), 'training')} with fresh seeds that chose "
        f"nothing, and so are their intervals; this one model's is Wilson's, over "
        f"{about['examples']['validation']:,} validation examples. {found.looks}",
        "",
        *([found.verdict_on_test, ""] if found.gain.scores else []),
        "## Data",
        "",
        f"{about['examples']['train']:,} examples to train and {about['examples']['validation']:,} to validate, of "
        f"the shape {tuple(about['inputs']['shape'])}, with the fingerprint `{about['fingerprint']}` (SHA-256 over "
        "both, 16 digits).",
        "",
        *_use(about),
        "| hyperparameter | value |",
        "|---|---|",
        *(f"| {name} | {number(value)} |" for name, value in about["config"].items()),
    ]
    return "\n".join(lines) + "\n"


def _use(about: dict[str, Any]) -> list[str]:
    """Return how the files are used, those that could be written."""
    programs = {
        "model.pt2": "torch alone: `torch.export.load('model.pt2').module()` takes a batch of raw examples, uint8 "
        "images (N, C, H, W) or float32 features, and gives probabilities (in a regression values). `python "
        "evaluate.py` runs it on `validation.pt` and prints the first row's value.",
        "model.onnx": "the same program for ONNX Runtime and others: input `inputs`, output `outputs`.",
    }
    return [
        "## Use",
        "",
        "- Winnow: `winnow predict FOLDER IMAGE…` on the command line, `winnow.load_model('FOLDER')` in Python.",
        *(f"- {words}" for name, words in programs.items() if name in about["programs"]),
        "- `model.safetensors` holds the weights, `config.json` the data, its split and every hyperparameter.",
        "",
    ]


def _interval_of_one(about: dict[str, Any]) -> str:
    """Return the interval of one model's accuracy; of another measure none is known."""
    if about["metric"] != "validation accuracy":
        return ""
    examples = about["examples"]["validation"]
    low, high = proportion_interval(round(about["value"] * examples), examples)
    return f"{low:.4f} to {high:.4f}"


def _measured(found: Confirmation) -> list[tuple[str, str, str, str]]:
    where = found.quantity
    return [(what, f"{data} {where}", spread(sample), interval(sample)) for what, data, sample in found.measurements]
