"""The confirmed winner as a folder: weights, configuration, model card, and a script that loads and evaluates it."""

import json
from pathlib import Path
from typing import Any

from winnow.errors import StudyError
from winnow.search.analysis.confirm import Confirmation
from winnow.search.analysis.formatting import interval, number, spread
from winnow.search.analysis.repetitions import ConfirmationPlan, weights

SCRIPT = '''\
"""Load this model and evaluate it on the validation data of its search: python evaluate.py [CPU or CUDA device]."""

import json
import sys
from pathlib import Path

from safetensors.torch import load_file

from winnow.objectives import trained_model
from winnow.objectives.data import loading
from winnow.objectives.data.catalog import DataSpec

folder = Path(__file__).parent
about = json.loads((folder / "config.json").read_text())
loaded = loading.load(DataSpec(**about["data"]), sys.argv[1] if len(sys.argv) > 1 else "cpu")
model = trained_model.restore(about["config"], load_file(folder / "model.safetensors"), loaded)
print(about["metric"], trained_model.score(model, about["config"], loaded, loaded.validation))
'''


def write(plan: ConfirmationPlan, found: Confirmation, folder: Path) -> None:
    """Write the winner, as it was trained with the first seed that it was measured on; raises StudyError, OSError.

    The first seed, not the luckiest: its score is one of those whose mean the model card gives.
    """
    from winnow.objectives import prediction, snapshots
    from winnow.objectives.data import loading, sources

    try:
        from safetensors.torch import save_file
    except ImportError:
        raise StudyError("the package safetensors is missing", "pip install 'winnow-hpo[train]'") from None
    config, content = weights(plan, found.winner_number, found.seeds[0])
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.contiguous() for name, tensor in snapshots.from_bytes(content).items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    spec = plan.study.spec.data_spec
    about = {
        "study": found.study,
        "trial": found.winner_number,
        "metric": found.metric,
        "value": found.winner.scores[0],
        "data": plan.study.spec.data,
        "config": config,
        "inputs": prediction.describe(loading.load(spec), sources.class_names(spec)),
    }
    (folder / "config.json").write_text(json.dumps(about, indent=2) + "\n")
    (folder / "evaluate.py").write_text(SCRIPT)
    (folder / "README.md").write_text(card(found, about))


def card(found: Confirmation, about: dict[str, Any]) -> str:
    """The model card: what this is, what it is worth, and how far to trust that."""
    where = found.quantity
    rows = [("this model", f"validation {where}", about["value"], ""), *_measured(found, where)]
    readings = "for the first time" if not found.read_before else f"after {found.read_before} readings before"
    lines = [
        f"# {found.study}: trial {found.winner_number}",
        "",
        f"A {about['config']['model']} trained on {about['data']['name']} with seed {found.seeds[0]}, chosen by a "
        "hyperparameter search with Winnow.",
        "",
        f"| what | measured as | {where} | 95 % interval of the mean |",
        "|---|---|---|---|",
        *(
            f"| {what} | {how} | {value if isinstance(value, str) else number(value)} | {interval} |"
            for what, how, value, interval in rows
        ),
        "",
        f"Means and standard deviations are over {len(found.seeds)} trainings with fresh seeds that chose nothing. "
        f"Test data were read {readings}.",
        "",
        *([found.verdict_on_test, ""] if found.gain.scores else []),
        "## Use",
        "",
        "`pip install 'winnow-hpo[train]'`, then `python evaluate.py` loads `model.safetensors` and prints the first "
        "row's value. `config.json` holds the data, its split and every hyperparameter.",
        "",
        "| hyperparameter | value |",
        "|---|---|",
        *(f"| {name} | {number(value)} |" for name, value in about["config"].items()),
    ]
    return "\n".join(lines) + "\n"


def _measured(found: Confirmation, where: str) -> list[tuple[str, str, str, str]]:
    return [(what, f"{data} {where}", spread(sample), interval(sample)) for what, data, sample in found.measurements]
