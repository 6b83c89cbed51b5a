"""docker-compose.yml and Dockerfile, as far as they go without a Docker engine: every service is run natively.

The compose program itself reads the file. What a container would be given (its command, environment, volumes, secrets)
a process is given here, in the order and on the conditions that the file states, on a real PostgreSQL that wants the
password of the secret.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from PIL import Image

import ports
from integration.winnow import wait_for, wait_for_listening
from storage_servers import PostgresServer

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
SPEC = """
name = "tiny"
objective = "mine:fit"
[fixed]
photographs = "%s"
[search]
threshold = { low = 0, high = 255 }
[budget]
trials = 3
"""
CODE = """
from pathlib import Path
from PIL import Image

def fit(trial, photographs, threshold):
    files = list(Path(photographs).glob("*/*.png"))
    light = [sum(Image.open(file).convert("L").getdata()) / 64 > threshold for file in files]
    return sum(said == (file.parent.name == "light") for said, file in zip(light, files)) / len(files)
"""
ENOUGH = 600.0
"""Seconds for what takes a few on a quiet machine."""


def compose(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [PROGRAMS / "docker-compose", "--project-directory", ROOT, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_compose_reads_the_file_and_it_keeps_the_schema() -> None:
    assert compose("config", "--quiet") == ""
    command: list[str | Path] = [
        PROGRAMS / "check-jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        ROOT / "docker-compose.yml",
    ]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert checked.returncode == 0, checked.stdout


def test_the_linter_finds_nothing_in_the_dockerfile() -> None:
    linted = subprocess.run([PROGRAMS / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, timeout=300)
    assert linted.returncode == 0, linted.stdout


def test_every_gpu_has_a_service_that_sees_it_alone() -> None:
    found = json.loads(compose("--profile", "*", "config", "--format", "json"))["services"]
    gpus = {name: service for name, service in found.items() if name.startswith("worker-gpu")}
    assert len(gpus) == 4
    for name, service in gpus.items():
        (device,) = service["deploy"]["resources"]["reservations"]["devices"]
        assert device == {"driver": "nvidia", "device_ids": [name[-1]], "capabilities": ["gpu"]}
        assert service["build"]["args"] == {"VARIANT": "cuda"}
        assert service["command"] == ["work", "digits", "--device", "cuda"]


def test_ones_own_specs_code_and_images_are_mounted_by_one_variable_each(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("studies", "code", "images")}
    own = {f"WINNOW_{name.upper()}": str(folder) for name, folder in folders.items()}
    found = json.loads(compose("--profile", "*", "config", "--format", "json", **own))["services"]
    for name in ("setup", "worker-cpu", "worker-gpu0", "dashboard"):
        mounts = {mount["target"]: mount for mount in found[name]["volumes"]}
        for which, folder in folders.items():
            assert (mounts[f"/{which}"]["source"], mounts[f"/{which}"]["read_only"]) == (str(folder), True), name
        assert found[name]["working_dir"] == "/code", "where a worker looks for modules of one's own"


def test_what_does_not_train_carries_no_torch_and_nobody_is_root() -> None:
    found = json.loads(compose("--profile", "*", "config", "--format", "json"))["services"]
    for name in ("setup", "dashboard", "reaper"):
        assert found[name]["build"]["args"] == {"VARIANT": "service"}, name
    file = (ROOT / "Dockerfile").read_text()
    assert "--extra train" not in file.partition("FROM service AS cpu")[0]
    assert re.findall(r"^USER (\S+)", file, re.MULTILINE) == ["10001:10001"]
    assert "hunter" not in json.dumps(found)
    for name, service in found.items():
        variables = [key for key in service["environment"] if "PASSWORD" in key]
        assert all(key.endswith("_FILE") for key in variables), name


@dataclass
class Machine:
    """Runs what the file says of each service as processes of this machine."""

    folder: Path
    services: dict[str, Any]
    secret: Path
    postgres: PostgresServer
    port: int
    listens: str = "0.0.0.0"
    """Where the dashboard does, as the file says; a test that talks to it must have it on loopback."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def up(self) -> None:
        """Start all services, each after those that it depends on are as it wants them."""
        while waiting := [name for name in self.services if name not in self.processes and name != "postgres"]:
            ready = [name for name in waiting if all(self._is(*each) for each in self._wanted(name))]
            for name in ready:
                self.start(name)
            if not ready:
                wait_for(lambda: any(all(self._is(*e) for e in self._wanted(name)) for name in waiting))

    def start(self, name: str) -> None:
        """Start one service."""
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(**self._process(name), stdout=log, stderr=log)

    def run(self, name: str, *command: str) -> str:
        """What `docker compose run --rm` prints: another command in a container like this service's."""
        done = subprocess.run(**self._process(name, command), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _process(self, name: str, command: Sequence[str] = ()) -> dict[str, Any]:
        service = self.services[name]
        assert service["entrypoint"] is None, "the image's own, which is winnow"
        environment = {key: self._native(value, service) for key, value in service["environment"].items()}
        arguments = [self._native(each, service) for each in command or service["command"]]
        return {
            "args": [sys.executable, "-m", "winnow", *arguments],
            "cwd": self._native(service["working_dir"], service),
            "env": {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        }

    def ended(self, name: str) -> int:
        """What a service exits with; says what all of them said where it does not end."""
        try:
            return self.processes[name].wait(ENOUGH)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{name} goes on and on\n{self.said()}") from None

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def said(self) -> str:
        return "\n".join(f"--- {name}\n{self.log(name).read_text()}" for name in self.processes)

    def _wanted(self, name: str) -> list[tuple[str, str]]:
        return [(other, each["condition"]) for other, each in self.services[name].get("depends_on", {}).items()]

    def _is(self, name: str, condition: str) -> bool:
        if condition == "service_healthy":
            kind, *command = self.services[name]["healthcheck"]["test"]
            assert kind == "CMD"
            program = self.postgres.programs / command[0]
            return subprocess.run([program, *command[1:], f"--port={self.port}"], capture_output=True).returncode == 0
        assert condition == "service_completed_successfully"
        if name not in self.processes or self.processes[name].poll() is None:
            return False
        assert self.processes[name].returncode == 0, self.said()
        return True

    def _native(self, text: str, service: dict[str, Any]) -> str:
        """What a container sees, as this machine has it: its volumes and secrets, its network."""
        places = {volume["target"]: self._source(volume) for volume in service["volumes"]}
        places |= {each["target"]: str(self.secret) for each in service["secrets"]}
        for target, source in places.items():
            text = text.replace(target, source)
        text = text.replace("@postgres/", f"@127.0.0.1:{self.port}/")
        return {"8080": "0", "0.0.0.0": self.listens}.get(text, text)

    def _source(self, volume: dict[str, Any]) -> str:
        if volume["type"] == "bind":
            return str(volume["source"])
        folder = self.folder / volume["source"]
        folder.mkdir(exist_ok=True)
        return str(folder)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine with a study of one's own code and images, and a PostgreSQL that asks everybody for the password."""
    folders = {name: tmp_path / name for name in ("studies", "code", "images")}
    for folder in (*folders.values(), folders["images"] / "light", folders["images"] / "dark"):
        folder.mkdir()
    (folders["studies"] / "tiny.toml").write_text(SPEC % folders["images"])
    (folders["code"] / "mine.py").write_text(CODE)
    for number in range(3):
        for name, brightness in (("light", 160), ("dark", 80)):
            Image.new("L", (8, 8), brightness + number).save(folders["images"] / name / f"{number}.png")
    secret = tmp_path / "postgres_password"
    secret.write_text("hunter2 @:/%\n")
    asked = {"WINNOW_STUDY": "tiny", "WINNOW_PASSWORD_FILE": str(secret)}
    asked |= {f"WINNOW_{name.upper()}": str(folder) for name, folder in folders.items()}
    services = json.loads(compose("--profile", "cpu", "config", "--format", "json", **asked))["services"]
    folder = Path(tempfile.mkdtemp(prefix="winnow-pg-"))  # another user must get there, and its path be short
    folder.chmod(0o755)
    postgres = PostgresServer(folder)
    (database,) = ports.reserve(1)
    _make_database(postgres, database, services["postgres"]["environment"], secret)
    made = Machine(tmp_path, services, secret, postgres, database)
    yield made
    for process in made.processes.values():
        if process.poll() is None:
            process.kill()
        process.wait()
    postgres.stop("immediate")
    shutil.rmtree(folder, ignore_errors=True)


def test_every_service_does_its_part_until_the_study_is_done(machine: Machine) -> None:
    machine.up()
    assert machine.ended("worker-cpu") == 0, machine.said()
    status = machine.run("setup", "status", "tiny", "--json")
    assert json.loads(status)["done"]
    assert json.loads(status)["finished"] == 3

    assert machine.ended("dashboard") == 2, "nobody could log in: compose starts it again until there is a token"
    assert "there is no token to log in with" in machine.said()
    token = machine.run("dashboard", "token", "create", "me", "--role", "admin").splitlines()[0]
    machine.listens = "127.0.0.1"
    machine.start("dashboard")
    dashboard = machine.processes["dashboard"]
    port = wait_for_listening(dashboard, machine.said)
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/winnow/tiny", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=300) as page:
        assert "tiny" in page.read().decode()

    assert machine.processes["reaper"].poll() is None, "dashboard and reaper stay for the next study"
    for name in ("reaper", "dashboard"):
        machine.processes[name].terminate()
        assert machine.ended(name) == 128 + signal.SIGTERM, machine.said()
    assert "hunter2" not in machine.said()


def _make_database(postgres: PostgresServer, port: int, told: dict[str, str], secret: Path) -> None:
    """What the image of PostgreSQL does with its variables at its first start."""
    postgres.init()
    assert told["POSTGRES_PASSWORD_FILE"] == "/run/secrets/postgres_password"
    hba = f"local all postgres trust\nhost all {told['POSTGRES_USER']} 127.0.0.1/32 scram-sha-256\n"
    (postgres.data / "pg_hba.conf").write_text(hba)
    postgres.start(f"-c listen_addresses=127.0.0.1 -p {port}")
    password = secret.read_text().strip()
    owner = psycopg.connect(host=str(postgres.folder), port=port, user="postgres", autocommit=True)
    owner.execute(f"CREATE ROLE {told['POSTGRES_USER']} SUPERUSER LOGIN PASSWORD '{password}'")
    owner.execute(f"CREATE DATABASE {told['POSTGRES_DB']} OWNER {told['POSTGRES_USER']}")
    owner.close()
