"""Every block of code in the documentation is good: commands parse, Python compiles, specs pass their check."""

import ast
import configparser
import importlib
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import winnow
from winnow.search.cli.main import COMMANDS, cli
from winnow.search.study import validation
from winnow.search.study.spec import Spec

ROOT = Path(__file__).parents[2]
TRANSCRIPTS = runpy.run_path(str(ROOT / "docs" / "transcripts.py"))
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "studies/README.md", "recipes/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
BLOCKS = [
    pytest.param(block, page, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, block in enumerate(TRANSCRIPTS["blocks"](page.read_text()), 1)
]
# What a part of a spec stands in.
REST = {
    "name": "s",
    "data": {"name": "digits"},
    "fixed": {"model": "cnn"},
    "search": {
        "optimizer": {"choices": ["sgd", "adam"]},
        "depth": {"low": 1, "high": 2},
        "filters": {"choices": [[16], [32]]},
    },
}


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be in an empty folder, and forget the modules that are imported from it."""
    known = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_what_it_is(page: Path) -> None:
    fences = re.findall(r"^ *```", page.read_text(), re.MULTILINE)
    assert len(fences) == 2 * len(TRANSCRIPTS["blocks"](page.read_text())), "a block of code without a language"


@pytest.mark.parametrize(("block", "page"), BLOCKS)
def test_a_block_is_good(block: Any, page: Path, empty_folder: None) -> None:
    CHECKS[block.language](block.commands if block.language == "console" else block.text)


def good_python(text: str) -> None:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("winnow"):
            module = importlib.import_module(node.module or "")
            assert not [each.name for each in node.names if not hasattr(module, each.name)]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "winnow":
            assert node.attr in winnow.__all__


def good_shell(text: str) -> None:
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    for line in text.replace("\\\n", " ").splitlines():
        good_command(line)


def good_commands(commands: list[str]) -> None:
    for each in commands:
        good_command(each.replace("\0", " "))


def good_command(line: str) -> None:
    for words in simple_commands(line):
        if words[0] == "winnow":
            parsed(cli, words[1:])
        elif words[0] == "make":
            targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
            assert set(words[1:]) <= set(targets)
        elif words[0] == "pip":
            extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            named = re.findall(r"\[(.*?)\]", " ".join(words))
            assert {extra for each in named for extra in each.split(",")} <= set(extras)


def simple_commands(line: str) -> Iterator[list[str]]:
    """Split a line of shell where one command ends and the next begins."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for token in [*lexer, ";"]:
        if set(token) <= set("|&;<>"):
            if words:
                yield words
            words = []
        else:
            words.append(token)


def parsed(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Parse words as click does, but look at no file; raises a UsageError at what the command does not know."""
    context = click.Context(command, parent=parent)
    values, rest, _ = command.make_parser(context).parse_args(list(words))
    if isinstance(command, click.Group):
        name, inner, left = command.resolve_command(context, rest)
        assert inner, name
        parsed(inner, left, context)
        return
    assert not rest
    for parameter in command.params:
        given = values.get(parameter.name or "")
        if given not in (None, (), []) and not isinstance(parameter.type, click.Path):
            parameter.type_cast_value(context, given)
        assert not parameter.required or given not in (None, ()), f"{command.name}: {parameter.name} is missing"


def good_spec(text: str) -> None:
    """Check a whole spec, or a part of one: keys that no spec has are of `[search]`."""
    content = tomllib.loads(text)
    names = {field.alias or name for name, field in Spec.model_fields.items()}
    search = {name: content.pop(name) for name in set(content) - names}
    content = ({} if "name" in content else REST) | {"budget": {"trials": 9}} | content
    if content.get("log", {}).get("tensorboard"):
        pytest.importorskip("tensorboardX", reason="the block asks for TensorBoard")
    if search:
        content["search"] = content["search"] | search
    # The user's own modules, as far as a check asks them anything.
    for module in content.get("extensions", []):
        Path(f"{module}.py").touch()
    module, _, function = content.get("objective", "").partition(":")
    if function:
        Path(f"{module}.py").write_text(f"def {function}(*_, **__): ...\n")
    # To look at a model of one's own is to register it, here for all tests that follow.
    check = validation.shaped if ":" in content.get("fixed", {}).get("model", "") else validation.check
    check(content, "s.toml")


def good_configuration(text: str) -> None:
    configparser.ConfigParser().read_string(text)


CHECKS: dict[str, Callable[[Any], None]] = {
    "console": good_commands,
    "sh": good_shell,
    "python": good_python,
    "toml": good_spec,
    "ini": good_configuration,
    "text": lambda text: None,  # what a command said, or a drawing
}


@pytest.mark.parametrize("name", TRANSCRIPTS["TUTORIALS"])
def test_a_tutorial_shows_what_its_own_commands_said(name: str) -> None:
    page = (ROOT / name).read_text()
    last = TRANSCRIPTS["LAST"].search(page)
    assert last, f"run: python docs/transcripts.py {name}"
    assert last[1] == TRANSCRIPTS["fingerprint"](page), f"its commands changed: python docs/transcripts.py {name}"


def test_a_tutorial_is_run_by_its_own_words(tmp_path: Path) -> None:
    page = """
```toml title="a.toml"
name = "a"
```

```console
$ export KIND=toml
$ cat a.$KIND
told before
```

```console title="beside"
$ echo done > made; echo said
```

<!-- until: test -e made -->

<!-- until: test -s .0 -->

```console
$ for n in 1 2 3 4 5; do echo "$n of 5 trials  0 pruned"; done; \\
  pwd
```
"""
    written = TRANSCRIPTS["transcribe"](page, tmp_path, {"PATH": "/usr/bin:/bin"})
    assert '$ cat a.$KIND\nname = "a"\n```' in written
    assert "told before" not in written
    assert "echo said\nsaid\n```" in written
    assert "1 of 5 trials  0 pruned\n…\n5 of 5 trials  0 pruned\n" in written
    assert TRANSCRIPTS["LAST"].search(written)[1] == TRANSCRIPTS["fingerprint"](page)
    again = TRANSCRIPTS["transcribe"](written, tmp_path, {"PATH": "/usr/bin:/bin"})
    assert again.split("\n*Everything")[0] == written.split("\n*Everything")[0]
    with pytest.raises(RuntimeError, match="no-such-command"):
        TRANSCRIPTS["transcribe"]("```console\n$ no-such-command\n```\n", tmp_path, {"PATH": "/usr/bin:/bin"})


def test_the_readme_lists_every_command() -> None:
    named = re.findall(r"^winnow ([a-z]+(?:, [a-z]+)*)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(", ".join(named).split(", ")) == set(COMMANDS)


def test_a_transcript_that_is_ended_leaves_no_process(tmp_path: Path) -> None:
    page, begun = tmp_path / "page.md", tmp_path / "begun"
    text = (
        "```console title=\"beside\"\n$ exec sh -c 'echo $$ > pid; exec sleep 1000'\n```\n"
        f"<!-- until: test -s pid && cat pid > {begun} && rm pid; false -->\n"
    )
    page.write_text(text)
    os.mkfifo(begun)
    with subprocess.Popen([sys.executable, ROOT / "docs" / "transcripts.py", page]) as run:
        command = int(begun.read_text())
        run.terminate()
        assert run.wait() == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(command, 0)
    assert page.read_text() == text
