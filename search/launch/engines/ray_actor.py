"""The actor that Ray runs for each worker: it starts a supervisor where Ray has put it, and ends when that does."""

import os
import subprocess
import threading
from pathlib import Path

from winnow.search.worker.processes import module_command
from winnow.search.worker.supervision import SUPERVISOR

NAMESPACE = "winnow"
"""Of Winnow's actors in a Ray cluster."""


class WorkerActor:
    """Keeps one worker at work in a process of its own, which leaves in order when this actor's is killed."""

    def __init__(self, worker_options: list[str], settings: dict[str, str], folder: str, log: str) -> None:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as said:
            self._supervisor = subprocess.Popen(
                module_command("winnow.search.launch.engines.ray_task", *worker_options),
                env={**os.environ, **settings, SUPERVISOR: str(os.getpid())},
                cwd=folder if Path(folder).is_dir() else None,  # a user's own objective is looked for there
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,  # Ray kills an actor's process group; the worker is to leave in order
            )
        threading.Thread(target=self._leave_with_it, daemon=True).start()

    def stop(self) -> None:
        """Have the worker hand its trial back and leave; this actor ends after it."""
        self._supervisor.terminate()

    def _leave_with_it(self) -> None:
        """End this actor for good: one that ended in any other way would be restarted."""
        import ray

        self._supervisor.wait()
        ray.kill(ray.get_runtime_context().current_actor, no_restart=True)
