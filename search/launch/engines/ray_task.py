"""The process that an actor of Ray starts beside itself: it keeps one worker at work, and leaves with the actor.

`python -m winnow.search.launch.engines.ray_task STUDY --device cuda`.
"""

import sys

from winnow.search.launch.supervisor import keep_one
from winnow.search.worker.supervision import Supervision

if __name__ == "__main__":
    Supervision.from_environment()
    sys.exit(keep_one(sys.argv[1:])[0])
