"""What is installed: one import package from wheel and sdist alike, which a user's own modules do not disturb."""

import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = {
    "winnow/__init__.py",
    "winnow/py.typed",
    "winnow/search/cli/main.py",
    "winnow/objectives/training_objective.py",
    "winnow/storage/__init__.py",
    "winnow/studies/digits.toml",
}

SPEC = """
name = "s"
[data]
name = "digits"
train = 200
[fixed]
epochs = 1
widths = [8]
[search]
lr = { low = 1e-3, high = 1e-1, log = true }
[budget]
trials = 2
"""


def python(folder: Path, program: Path | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist, and the wheel that is built from it, as `python -m build` makes them, with what is installed here."""
    folder = tmp_path_factory.mktemp("built")
    # From the files that git tracks: a `build` folder of the developer's would go along.
    named = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    source = folder / "source"
    for name in filter(None, named.split("\0")):
        path = ROOT / name
        if path.is_symlink() or path.exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, source / name, follow_symlinks=False)
    done = python(source, sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"))
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    (wheel,) = (folder / "dist").glob("*.whl")
    return {"sdist": sdist, "wheel": wheel}


def tracked_pages() -> set[str]:
    folders = {"report": ROOT / "search" / "report" / "page", "dashboard": ROOT / "search" / "dashboard" / "page"}
    return {f"winnow/search/{room}/page/{file.name}" for room, page in folders.items() for file in page.iterdir()}


def test_the_wheel_brings_one_import_package_with_all_that_it_reads(built: dict[str, Path]) -> None:
    names = set(zipfile.ZipFile(built["wheel"]).namelist())
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"winnow"}
    assert names >= NEEDED
    assert names >= tracked_pages()
    studies = {f"winnow/studies/{file.name}" for file in (ROOT / "studies").glob("*.toml")}
    assert names >= studies
    modules = {
        str(file.relative_to(ROOT)) for room in ("search", "objectives", "storage") for file in _code(ROOT / room)
    }
    assert names >= {f"winnow/{module}" for module in modules}
    assert not [name for name in names if "test" in Path(name).name.lower() or "__pycache__" in name]


def _code(room: Path) -> list[Path]:
    return list(room.rglob("*.py"))


def test_the_sdist_holds_the_same(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= NEEDED | tracked_pages() | {"pyproject.toml", "README.md", "LICENSE"}


@pytest.fixture(scope="module")
def installed(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel; its requirements are found where these tests run."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, symlinks=True, with_pip=False)
    (site,) = home.glob("lib/python*/site-packages")
    command = ["-m", "pip", "--python", str(home / "bin" / "python"), "install", "--quiet", "--no-deps", "--no-index"]
    done = python(home, sys.executable, *command, str(built["wheel"]))
    assert done.returncode == 0, done.stderr
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (site / "libraries.pth").write_text("\n".join(libraries) + "\n")
    return home / "bin"


@pytest.mark.parametrize("name", ["search", "objectives", "storage", "studies", "tests"])
def test_no_generic_name_is_importable(installed: Path, tmp_path: Path, name: str) -> None:
    done = python(tmp_path, installed / "python", "-P", "-c", f"import {name}")
    assert f"No module named '{name}'" in done.stderr


def test_the_command_works_beside_modules_of_the_users(installed: Path, tmp_path: Path) -> None:
    for name in ("search", "objectives", "storage", "studies"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a module of the user')\n")
    done = python(tmp_path, installed / "winnow", "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: winnow" in done.stdout
    where = python(tmp_path, installed / "python", "-c", "import winnow.studies; print(winnow.studies.__path__[0])")
    assert where.stdout.startswith(str(installed.parent)), where.stdout + where.stderr


def test_a_search_runs_from_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "s.toml").write_text(SPEC)
    for command in (["run", "s.toml", "--workers", "1"], ["status", "s"], ["export", "s"]):
        done = python(tmp_path, installed / "winnow", *command)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "reports" / "s.html").exists()
