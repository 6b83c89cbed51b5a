"""The documentation says what the code does: generated pages are up to date, examples are good ones."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from winnow.objectives.data.catalog import CATALOG
from winnow.search.cli.main import cli
from winnow.search.study import sections

ROOT = Path(__file__).parents[2]


def test_the_generated_pages_are_up_to_date() -> None:
    pytest.importorskip("torch")
    # A process of its own: what other tests register in this one is on no page.
    stale = "[page for page, write in pages.items() if open(page).read() != write()]"
    code = f"import runpy; pages = runpy.run_path('docs/generate.py')['PAGES']; print({stale})"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert told.stdout == "[]\n", f"run: python docs/generate.py {told.stdout}{told.stderr}"


def test_every_command_explains_itself_and_its_options() -> None:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert command.help, name
        for option in command.params:
            if option.param_type_name == "option" and option.name not in ("device", "help"):
                assert getattr(option, "help", None), f"winnow {name}: {option.name}"


def test_the_documentation_names_every_data_set_sampler_and_pruner() -> None:
    page = (ROOT / "docs" / "spec.md").read_text()
    for name in CATALOG:
        assert f"`{name}`" in page
    for section in (*sections.SAMPLERS, *sections.PRUNERS):
        assert f"`{section}`" in page


def test_what_was_tried_on_which_gpu_is_held_by_something_that_is_there() -> None:
    page = (ROOT / "docs" / "gpus.md").read_text()
    table = page.partition("| held by |")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    assert len(rows) > 10
    for what, on_card, on_stub, held_by in rows:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", held_by)
        assert named or on_card == on_stub == "not tried", what
        for path, function in named:
            assert f"\ndef {function}(" in (ROOT / path).read_text(), f"{what}: {path}::{function}"


def test_the_tree_in_the_readme_names_what_is_there() -> None:
    tree = (ROOT / "README.md").read_text().split("## Where things are")[1].split("```text\n")[1].split("```")[0]
    room, named = Path(), []
    for line in tree.strip().splitlines():
        names, what = re.split(r"  +", line.strip(), maxsplit=1)
        if not line.startswith(" "):
            room, folder = ROOT / names, ROOT / names
        else:
            named += [room / name for name in names.split(", ")]
            folder = named[-1]
        named += [folder / file for file in re.findall(r"\b\w+\.py\b|\b\w+/", what)]
    assert len(named) > 25
    assert [str(path.relative_to(ROOT)) for path in named if not path.exists()] == []


def test_every_file_that_a_text_names_is_there() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    texts = [file for file in listed if file.endswith((".md", ".py")) and not file.startswith("tests/")]
    rooms = "bench|docs|objectives|recipes|search|storage|studies|tests"
    named = re.compile(rf"(?<![\w./-])(?:{rooms})/[\w./-]+\.(?:py|md|sh|toml|json\.gz|html)\b")
    found = {(file, path) for file in texts for path in named.findall((ROOT / file).read_text())}
    assert len(found) > 50
    assert [pair for pair in found if not (ROOT / pair[1]).exists()] == []
