"""One task of a Slurm array: it keeps a worker at work, and joins the queue again when its time is over.

`python -m winnow.search.launch.engines.slurm_task STUDY --device cuda`, as the process of the batch script itself
(`exec`), so that Slurm's warning before the time limit comes here.
"""

import os
import sys

from winnow.search.launch.engines import slurm
from winnow.search.launch.supervisor import keep_one


def main(arguments: list[str]) -> int:
    """Run the task; returns its exit status."""
    status, stopped = keep_one(arguments)
    task = os.environ["SLURM_JOB_ID"]
    # scancel sends the same signal as the warning, and so does a requeue by somebody else; only then the task does not
    # count as running any more.
    if stopped and slurm.tasks(task) == ["RUNNING"]:
        slurm.requeue(task)
    elif status == 0 and not stopped:
        slurm.cancel_waiting(os.environ.get("SLURM_ARRAY_JOB_ID", task))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
