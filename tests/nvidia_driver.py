"""A machine with GPUs that are not there: NVIDIA's driver library, built from C, that reads a small file.

The library is put first on the path of a process, so that the real `pynvml` and torch speak with it.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

H100, V100 = "NVIDIA-H100 81559 80900", "Tesla-V100 16384 16000"
MISMATCH, NOT_LOADED = 18, 9


def install(folder: Path, gpus: Sequence[str] = (), error: int = 0) -> dict[str, str]:
    """Build the library in `folder`; return the environment of a process for which these GPUs are there.

    Each of `gpus` is a line of the file, as the head of the C file says.
    """
    library = folder / "driver" / "libnvidia-ml.so.1"
    if not library.exists():
        library.parent.mkdir()
        source = Path(__file__).with_name("nvidia_driver.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source], check=True)
    say(folder, gpus, error)
    path = os.pathsep.join([str(library.parent), os.environ.get("LD_LIBRARY_PATH", "")])
    return {"LD_LIBRARY_PATH": path, "WINNOW_TEST_GPUS": str(folder / "gpus")}


def say(folder: Path, gpus: Sequence[str] = (), error: int = 0) -> None:
    """Change what the driver tells from now on, also to processes that run."""
    lines = [f"gpu {gpu}" for gpu in gpus] + ([f"init {error}"] if error else [])
    new = folder / "gpus.new"
    new.write_text("\n".join(lines) + "\n")
    new.replace(folder / "gpus")
