"""Write what commands really say into the tutorials: `python docs/transcripts.py [PAGE…]`, minutes of training.

A tutorial is its own script, done in order in an empty folder. A block whose title ends in .py or .toml is a file. Of a
`console` block bash runs each `$ ` line, and what stands below it is replaced by what it said. One with a title runs
beside the rest, as in a terminal of its own; `<!-- until: COMMAND -->` waits for COMMAND to succeed. `db.example` is a
PostgreSQL that is started here. The last line names the commands whose words the page shows: a test compares it.
"""

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]
TUTORIALS = ("docs/first_search.md", "docs/own_script.md", "docs/several_boxes.md")
FENCE = re.compile(r'^```([\w-]+)(?: title="([^"]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
STEP = re.compile(rf"{FENCE.pattern}|^<!-- until: ([^\n]*) -->$", FENCE.flags)
LAST = re.compile(r"\n\*Everything above [^\n]*\n<!-- commands (\w+) -->\n\Z")
PROGRESS = re.compile(r"\d+ of \d+ trials +\d+ pruned|\d+ of \d+ trainings")
MINUTES = 40


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    title: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The commands of a `console` block, each with the lines that a backslash at its end adds."""
        return [line[2:] for line in self.text.replace("\\\n", "\0").splitlines() if line.startswith("$ ")]

    @property
    def is_file(self) -> bool:
        """Whether it is laid into the folder."""
        return self.title.endswith((".py", ".toml"))


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [Block(*found) for found in FENCE.findall(page)]


def fingerprint(page: str) -> str:
    """Name what a page runs: its files and commands, without what these said."""
    parts = [block.text if block.is_file else "\n".join(block.commands) for block in blocks(page)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def transcribe(page: str, folder: Path, environment: dict[str, str]) -> str:
    """Run a page in a folder, and return it with what its commands said; raises RuntimeError where one fails."""
    began, exports, beside = time.monotonic(), "", dict[str, tuple[str, Path]]()
    started: list[subprocess.Popen[str]] = []

    def start(command: str, output: Path) -> subprocess.Popen[str]:
        with output.open("w") as file:
            process = subprocess.Popen(
                ["bash", "-c", exports + command.replace("\0", "\\\n")],
                cwd=folder,
                env=environment,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        started.append(process)
        return process

    def step(found: re.Match[str]) -> str:
        nonlocal exports
        if found[4]:
            while start(found[4], folder / ".until").wait(MINUTES * 60):
                if time.monotonic() - began > MINUTES * 60:
                    raise RuntimeError(f"{found[4]} did not come true")
                time.sleep(0.5)
            return found[0]
        block = Block(found[1], found[2] or "", found[3])
        if block.is_file:
            (folder / block.title).write_text(block.text)
        elif block.language == "console" and block.title:
            output = folder / f".{len(beside)}"
            start("\n".join(block.commands), output)
            beside[found[0]] = (block.title, output)
        elif block.language == "console":
            said = ""
            for command in block.commands:
                print(f"$ {command}", flush=True)
                output = folder / ".output"
                if start(command, output).wait(MINUTES * 60):
                    raise RuntimeError(f"{command}: {output.read_text()}")
                exports += f"{command}\n" if command.startswith("export ") else ""
                said += _shown(command, output.read_text(), folder)
            return f"```console\n{said}```"
        return found[0]

    try:
        page = STEP.sub(step, LAST.sub("", page))
    finally:
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    for written, (title, output) in beside.items():
        (block,) = blocks(written)
        said = _shown("\n$ ".join(block.commands), output.read_text(), folder)
        page = page.replace(written, f'```console title="{title}"\n{said}```')
    minutes, cores = (time.monotonic() - began) / 60, len(os.sched_getaffinity(0))
    run = f"{minutes:.0f} minutes on {cores} CPU cores, beside other work: a load of {os.getloadavg()[2]:.0f}"
    end = f"*Everything above was run as it stands, by `docs/transcripts.py`, in {run}.*"
    return f"{page}\n{end}\n<!-- commands {fingerprint(page)} -->\n"


def _shown(command: str, output: str, folder: Path) -> str:
    """Give a command and what it said; of many lines of progress the first and the last."""
    lines = [line.rstrip() for line in output.replace(f"{folder}/", "").strip().splitlines()]
    progress = [number for number, line in enumerate(lines) if PROGRESS.match(line)]
    if len(progress) > 3:
        lines[progress[1] : progress[-2] + 1] = ["…"]
    return "\n".join(["$ " + command.replace("\0", "\\\n"), *lines]) + "\n"


@contextlib.contextmanager
def _postgresql() -> Iterator[dict[str, str]]:
    """Start a PostgreSQL that libpq takes for db.example, with a database and a user of the name winnow."""
    sys.path[:0] = [str(ROOT / "tests")]
    ports, servers = import_module("ports"), import_module("storage_servers")

    with tempfile.TemporaryDirectory(prefix="winnow-pg-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server, (port,) = servers.PostgresServer(folder), ports.reserve(1)
        server.init()
        server.start(f"-c port={port} -c listen_addresses=127.0.0.1")
        try:
            subprocess.run(
                [server.programs / "psql", "-qh", folder, "-p", str(port), "-U", "postgres"],
                input="create role winnow login; create database winnow owner winnow;",
                text=True,
                check=True,
            )
            yield {"PGHOSTADDR": "127.0.0.1", "PGPORT": str(port)}
        finally:
            server.stop("immediate")


def main() -> None:
    """Run the pages that are named, or all tutorials; what they started ends with it, at SIGTERM too."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    for name in sys.argv[1:] or TUTORIALS:
        page, path = (ROOT / name).read_text(), f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="winnow-tutorial-")))
            environment = {"PATH": path, "HOME": str(folder), "COLUMNS": "100", "LANG": "C.UTF-8"}
            if "db.example" in page:
                environment |= stack.enter_context(_postgresql())
            (ROOT / name).write_text(transcribe(page, folder, environment))


if __name__ == "__main__":
    main()
