"""Run the ready studies that take minutes, one after another, and write into studies/README.md what they answered.

    python -m bench.ready_studies [--storage URL] [--minutes 20] [NAME ...]

Each is run by `winnow run`, one worker on one CPU, for at most so many minutes. Begun again with the same storage, what
has ended is left alone and what was cut off goes on. The answers are those that `winnow studies --answers` prints,
unchanged; of a study that has not run to its end, the page keeps what it said before.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click

from winnow.search.api.study import open_storage
from winnow.search.study import ready, study

PAGE = Path(__file__).parents[1] / "studies" / "README.md"


@click.command()
@click.option("--storage", "url", default="sqlite:///ready_studies.db", show_default=True)
@click.option("--minutes", type=float, default=20.0, show_default=True, help="For each study and call.")
@click.argument("names", nargs=-1)
def main(url: str, minutes: float, names: tuple[str, ...]) -> None:
    """Run the NAMES, by default every ready study without a smaller version of itself."""
    known = ready.names()
    for name in names or [name for name in known if f"{name}_small" not in known]:
        if not _ended(url, name):
            _winnow(url, 60 * minutes, "run", name, "--devices", "cpu", "--workers", "1")
        click.echo(f"{name}: {'ended' if _ended(url, name) else 'to be continued'}")
    said = _winnow(url, 600.0, "studies", "--answers")
    PAGE.write_text(merged(PAGE.read_text(encoding="utf-8"), said, lambda name: _ended(url, name)), encoding="utf-8")


def merged(page: str, said: str, ended: Callable[[str], bool]) -> str:
    """Return the page with the newest answers of each study that ended, in order of their names."""
    head, *before = re.split(r"^(?=### `)", page, flags=re.MULTILINE)
    now = [block for block in re.split(r"^(?=### `)", said, flags=re.MULTILINE) if block and ended(_name(block))]
    blocks = {_name(block): block.strip() for block in [*before, *now]}
    return head + "\n\n".join(blocks[name] for name in sorted(blocks)) + "\n"


def _name(block: str) -> str:
    return block.split("`")[1]


def _ended(url: str, name: str) -> bool:
    """Whether the storage holds as many finished trials as the study's budget asks for."""
    storage = open_storage(url)
    try:
        if name not in {each.study_name for each in storage.get_all_studies()}:
            return False
        made = study.load(storage, name)
        states = [trial.state.is_finished() for trial in made.optuna.get_trials(deepcopy=False)]
        return sum(states) >= (made.spec.storage_budget.trials or 1)
    finally:
        storage.database.release()


def _winnow(url: str, seconds: float, *words: str) -> str:
    environment = {**os.environ, "OPTUNA_STORAGE": url, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "winnow", *words], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        process.terminate()  # it stops at an epoch's end
        return process.communicate()[0]


if __name__ == "__main__":
    main()
