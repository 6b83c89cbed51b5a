"""The studies that come with Winnow: found by name wherever it is installed, each with its question and its cost."""

from pathlib import Path

from winnow import studies
from winnow.objectives.data.catalog import known
from winnow.search.study.spec import Spec


def names() -> list[str]:
    """Return the names of all of them, in order."""
    return sorted(file.stem for file in _folder().glob("*.toml"))


def find(spec: Path) -> Path:
    """Return the file of a spec: the path as it is, or where no such file is, the ready study of that name."""
    ready = _folder() / f"{spec}.toml"
    return ready if not spec.exists() and spec.name == str(spec) and ready.exists() else spec


def question(spec: Spec) -> str:
    """Return what a study asks: its description up to the first question mark, or to the end of the first sentence."""
    text = " ".join(spec.description.split())
    ends = [text.find(mark) for mark in ("?", ". ") if mark in text]
    return text[: min(ends) + 1].strip() if ends else text


def cost(spec: Spec) -> str:
    """Return in words how much a study trains: trials, passes over the data at most, examples."""
    budget, passes = spec.storage_budget, _most(spec, "epochs", 10) * _most(spec, "passes", 1)
    data = spec.data_spec
    examples = data.train or known(data.name).train - round(
        data.validation * known(data.name).train if data.validation < 1 else data.validation
    )
    over = f" over {examples:,} examples" if examples > 0 else ""
    return f"{budget.trials} trials of {passes:,} passes{over}"


def _most(spec: Spec, name: str, default: int) -> int:
    entries = spec.entries(name) if name in spec.search else []
    ends = [end for entry in entries for end in (entry.choices or [entry.high])]
    return int(max(ends, default=spec.fixed.get(name, default)))


def _folder() -> Path:
    return Path(studies.__path__[0])
