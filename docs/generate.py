"""Write the pages that are read off the code: `python docs/generate.py`. A test keeps them up to date."""

import ast
from pathlib import Path

import click

from winnow.objectives.definition import Definition
from winnow.objectives.hyperparameters import DEFINITIONS
from winnow.objectives.methods import method_of
from winnow.search.analysis.export import TABLES
from winnow.search.cli.main import cli

ROOT = Path(__file__).parents[1]
ROOMS = ("search", "objectives", "storage")


def hyperparameters() -> str:
    """Every hyperparameter of the built-in objectives."""
    lines = [
        "# Hyperparameters",
        "",
        "What `[fixed]` may fix and `[search]` may search with the built-in objectives. The defaults together are the",
        "baseline. This page is written by `python docs/generate.py` from what is registered.",
        "",
        "| name | what it is | default | values | only with | method of an ablation |",
        "|---|---|---|---|---|---|",
    ]
    for each in DEFINITIONS.values():
        unit = f" ({each.unit})" if each.unit else ""
        method = "" if each.name == "seed" else method_of(each.name)
        row = [f"`{each.name}`", each.meaning + unit, f"`{each.example}`", _values(each), _needs(each), method]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines) + "\n"


def commands() -> str:
    """The help of every command."""
    lines = [
        "# Commands",
        "",
        "This page is written by `python docs/generate.py` from the commands' own help. Every option can also be given",
        "by an environment variable: `WINNOW_RUN_WORKERS` for `winnow run --workers`, and `OPTUNA_STORAGE` for",
        "`--storage` of all of them.",
    ]
    group = cli.make_context("winnow", ["check"])
    for name in sorted(cli.list_commands(group)):
        command = cli.get_command(group, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=group, max_content_width=100)
        lines += ["", f"## winnow {name}", "", "```text", command.get_help(context), "```"]
        for part in command.commands.values() if isinstance(command, click.Group) else ():
            context = click.Context(part, info_name=f"{name} {part.name}", parent=group, max_content_width=100)
            lines += ["", f"### winnow {name} {part.name}", "", "```text", part.get_help(context), "```"]
    return "\n".join(lines) + "\n"


def export() -> str:
    """Every column of `winnow export`."""
    lines = [
        "# Exported tables",
        "",
        "`winnow export STUDY --format csv` (or `parquet`, `json`) writes one file for each of these tables that has",
        "rows. This page is written by `python docs/generate.py` from `search/analysis/export.py`. An empty cell",
        "(`null`) is what was not recorded or is not finite; lists stand as JSON text. In CSV a text that a",
        "spreadsheet would run as a formula begins with an apostrophe.",
    ]
    for table, columns in TABLES.items():
        lines += ["", f"## {table}", "", "| column | what it is |", "|---|---|"]
        lines += [f"| `{column}` | {meaning} |" for column, meaning in columns.items()]
    return "\n".join(lines) + "\n"


def _values(each: Definition) -> str:
    if each.choices:
        return ", ".join(f"`{choice}`" for choice in each.choices)
    if each.type is bool:
        return "`true`, `false`"
    return each.limits


def _needs(each: Definition) -> str:
    return "; ".join(
        f"`{name}` " + " or ".join(f"`{str(v).lower() if isinstance(v, bool) else v}`" for v in values)
        for name, values in each.needs.items()
    )


def code() -> str:
    """Every file of the rooms, folder by folder, and what it says of itself."""
    lines = [
        "# The code, file by file",
        "",
        "Data flows one way: spec → study → storage → worker → objective → storage → analysis → report. `search` may",
        "import both other rooms, `objectives` and `storage` know neither `search` nor each other; `make check` holds",
        "them to it. This page is written by `python docs/generate.py` from the first line of each file.",
    ]
    for room in ROOMS:
        for folder in [ROOT / room, *sorted(path.parent for path in (ROOT / room).glob("*/__init__.py"))]:
            files = [file for file in sorted(folder.glob("*.py")) if file.name not in ("__init__.py", "__main__.py")]
            lines += ["", f"## {folder.relative_to(ROOT)}/", "", f"{_role(folder / '__init__.py')}.", ""]
            lines += ["| file | what it is |", "|---|---|"]
            lines += [f"| [`{file.name}`](../{file.relative_to(ROOT)}) | {_role(file)} |" for file in files]
    return "\n".join(lines) + "\n"


def _role(file: Path) -> str:
    first = (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]
    return first.partition(". ")[0].rstrip(".")


PAGES = {
    "docs/hyperparameters.md": hyperparameters,
    "docs/commands.md": commands,
    "docs/code.md": code,
    "docs/export.md": export,
}

if __name__ == "__main__":
    for page, write in PAGES.items():
        (ROOT / page).write_text(write())
