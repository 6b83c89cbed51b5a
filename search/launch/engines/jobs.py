"""Which job of an engine works for a study: noted with the study, so that it can be asked after and ended anywhere."""

from dataclasses import asdict, dataclass

from winnow.records import ENGINE_JOB
from winnow.search.launch.engines.engine import Engine, EngineError, Order
from winnow.search.study.study import WinnowStudy

ENGINES = ("slurm", "ray")


@dataclass(frozen=True)
class Job:
    """A job that was started for a study."""

    engine: str
    name: str
    address: str | None = None
    """Of the cluster, where the engine has several."""

    def __str__(self) -> str:
        return f"{self.engine.capitalize()} job {self.name}"


def of(study: WinnowStudy) -> Job | None:
    """Return the study's latest job; None where no engine ever worked for it."""
    noted = study.optuna.user_attrs.get(ENGINE_JOB)
    return Job(**noted) if noted else None


def start(study: WinnowStudy, engine: Engine, order: Order) -> Job:
    """Start the workers of a study, and note their job; raises EngineError."""
    url = study.storage.database.url
    job = Job(engine.name, engine.start(order, url), engine.address)
    study.optuna.set_user_attr(ENGINE_JOB, asdict(job))
    return job


def under_way(study: WinnowStudy, engine: Engine) -> str:
    """Return how many workers of the study's job run and wait on an engine, in words; empty where none does.

    Raises EngineError.
    """
    job = of(study)
    return engine_of(job).under_way(job.name) if job and job.engine == engine.name else ""


def cancel(study: WinnowStudy) -> str:
    """End the study's job, if it has one; says what was done, or why it could not be, in words."""
    job = of(study)
    if job is None:
        return ""
    try:
        engine_of(job).cancel(job.name)
    except EngineError as error:
        elsewhere = f"where its engine is reached, type: winnow stop {study.name}"
        return f"{job} could not be cancelled from here ({error.problem}); {elsewhere}"
    return f"{job} is cancelled."


def engine_of(job: Job) -> Engine:
    """Return the engine that a job was given to."""
    if job.engine == "slurm":
        from winnow.search.launch.engines.slurm import Slurm

        return Slurm()
    if job.engine == "ray":
        from winnow.search.launch.engines.ray import Ray

        return Ray(job.address)
    raise EngineError(f"this Winnow knows no engine {job.engine!r}", f"it knows {', '.join(ENGINES)}")
