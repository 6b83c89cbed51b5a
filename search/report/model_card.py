"""The model card beside an exported winner: what it is, what it is worth, and how it is used."""

from typing import Any

from winnow.search.analysis.confirm import Confirmation
from winnow.search.analysis.formatting import counted, interval, number, score, spread
from winnow.search.analysis.statistics import proportion_interval


def card(found: Confirmation, about: dict[str, Any]) -> str:
    """Return the model card: what this is, what it is worth, and how far to trust that."""
    where = found.quantity
    rows = [("this model", f"validation {where}", score(about["value"]), _interval_of_one(about)), *_measured(found)]
    lines = [
        f"# {found.study}: trial {found.winner_number}",
        "",
        f"{_what(about)}, chosen by a hyperparameter search with Winnow.",
        "",
        f"| what | measured as | {where} | 95 % interval |",
        "|---|---|---|---|",
        *(f"| {what} | {how} | {value} | {between} |" for what, how, value, between in rows),
        "",
        f"Means and standard deviations are over {counted(len(found.seeds), 'training')} with fresh seeds that chose "
        f"nothing, and so are their intervals{_of_one(about)}. {found.looks}",
        "",
        *([found.verdict_on_test, ""] if found.gain.scores else []),
        *(_data(about) if "data" in about else []),
        *(_use(about) if "data" in about else _use_of_own(about)),
        "| hyperparameter | value |",
        "|---|---|",
        *(f"| {name} | {number(value)} |" for name, value in about["config"].items()),
    ]
    return "\n".join(lines) + "\n"


def _what(about: dict[str, Any]) -> str:
    if "data" not in about:
        return f"What the objective {about['objective']} trained with seed {about['seed']}"
    names = about["inputs"]["class_names"]
    predicts = f"{len(names)} classes: {', '.join(names[:20])}{', …' * (len(names) > 20)}" if names else "a value"
    model, data = about["config"]["model"], about["data"]["name"]
    return f"The model {model}, which predicts {predicts}, trained on {data} with seed {about['seed']}"


def _data(about: dict[str, Any]) -> list[str]:
    return [
        "## Data",
        "",
        f"{about['examples']['train']:,} examples to train and {about['examples']['validation']:,} to validate, of "
        f"the shape {tuple(about['inputs']['shape'])}, with the fingerprint `{about['fingerprint']}` (SHA-256 over "
        "both, 16 digits).",
        "",
    ]


def _use_of_own(about: dict[str, Any]) -> list[str]:
    module = about["objective"].partition(":")[0]
    return [
        "## Use",
        "",
        f"- `model.safetensors` holds its `state_dict`, `config.json` what it was trained with. Build the module as "
        f"`{module}` does, then `network.load_state_dict(safetensors.torch.load_file('model.safetensors'))`.",
        "",
    ]


def _use(about: dict[str, Any]) -> list[str]:
    """Return how the files are used, those that could be written."""
    measure = "accuracy" if about["inputs"]["class_names"] else "mean squared error"
    printed = f"its {measure}" if about["config"].get("metric") else "the first row's value"
    programs = {
        "model.pt2": "torch alone: `torch.export.load('model.pt2').module()` takes a batch of raw examples, uint8 "
        "images (N, C, H, W) or float32 features, and gives probabilities (in a regression values). `python "
        f"evaluate.py` runs it on `validation.pt` and prints {printed}.",
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


def _of_one(about: dict[str, Any]) -> str:
    if not _interval_of_one(about):
        return ""
    return f"; this one model's is Wilson's, over {about['examples']['validation']:,} validation examples"


def _interval_of_one(about: dict[str, Any]) -> str:
    """Return the interval of one model's accuracy; of another measure none is known."""
    if about["metric"] != "validation accuracy" or "examples" not in about:
        return ""
    examples = about["examples"]["validation"]
    low, high = proportion_interval(round(about["value"] * examples), examples)
    return f"{low:.4f} to {high:.4f}"


def _measured(found: Confirmation) -> list[tuple[str, str, str, str]]:
    where = found.quantity
    return [(what, f"{data} {where}", spread(sample), interval(sample)) for what, data, sample in found.measurements]
