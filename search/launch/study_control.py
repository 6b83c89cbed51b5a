"""Stop, pause or resume a study: its workers hear it through the storage, the engine of its cluster's job from here."""

from winnow.search.analysis import status
from winnow.search.launch.engines import jobs
from winnow.search.study.study import WinnowStudy
from winnow.storage import activity
from winnow.storage.activity import State


def set_state(study: WinnowStudy, state: State) -> str:
    """Have the workers of a study leave, wait or go on; one that stops has its cluster's job cancelled.

    Returns what became of that job, in words; empty where there is none. Raises StudyError where the study is finished.
    """
    status.refuse_finished(study)
    activity.set_state(study.storage.database, study.study_id, state)
    return jobs.cancel(study) if state is State.STOPPED else ""
