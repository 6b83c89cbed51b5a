"""`winnow work --all`: a pool serves whatever study is given to the storage, until it is told to leave."""

import signal
from collections.abc import Iterator

import pytest

from integration.winnow import Place, wait_for
from winnow import storage
from winnow.storage import Storage

SLOW = "[fixed]\nepochs = 20\nepoch_seconds = 0.2\n[pruner]\nname = 'none'\n[sampler]\nname = 'random'\n"


@pytest.fixture
def url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture
def opened(url: str) -> Iterator[Storage]:
    opened = storage.open(url)
    yield opened
    opened.database.release()


def states(opened: Storage, name: str) -> list[str]:
    return [trial.state.name for trial in opened.get_all_trials(opened.get_study_id_from_name(name))]


def test_a_pool_serves_studies_as_they_come_and_shares_its_workers(place: Place, url: str, opened: Storage) -> None:
    def give(name: str, trials: int, more: str = "", *options: str) -> None:
        made = place.run("create", place.spec(trials=trials, name=name, more=more), *options, OPTUNA_STORAGE=url)
        assert made.returncode == 0, made.stderr

    (place.folder / "broken.toml").write_text('name = "broken"\nobjective = "broken:run"\n[budget]\ntrials = 3\n')
    (place.folder / "broken.py").write_text("def run(trial): return 1.0\n")
    assert place.run("create", "broken.toml", OPTUNA_STORAGE=url).returncode == 0
    (place.folder / "broken.py").write_text("import surely_not_installed\n")
    pool = place.start("work", "--all", "--devices", "cpu", "--workers", "2", OPTUNA_STORAGE=url)
    give("long", 50, SLOW)
    wait_for(lambda: states(opened, "long").count("RUNNING") == 2)
    give("short", 4, "[pruner]\nname = 'none'\n", "--priority", "5")
    wait_for(lambda: states(opened, "short") == ["COMPLETE"] * 4)
    wait_for(lambda: states(opened, "long").count("RUNNING") == 2)
    pool.send_signal(signal.SIGTERM)
    _, errors = pool.communicate(timeout=300)
    assert pool.returncode == 0, errors
    assert "every study of" in errors
    assert "RUNNING" not in states(opened, "long")
    assert states(opened, "broken") == [], "a study that cannot be served costs no trial"
    logs = "".join(log.read_text() for log in place.folder.glob("*.files/logs/all-*.log"))
    assert (
        "the study 'broken' cannot be served here: ModuleNotFoundError: No module named 'surely_not_installed'" in logs
    )


def test_an_idle_pool_takes_up_the_last_trial_of_a_worker_that_died(place: Place) -> None:
    assert place.run("create", place.spec(trials=1, more=SLOW)).returncode == 0
    opened = place.storage()
    dying = place.start("work", "s", "--lease-seconds", "4")
    wait_for(lambda: states(opened, "s") == ["RUNNING"])
    pool = place.start("work", "--all", "--lease-seconds", "4")
    dying.kill()
    dying.communicate()
    wait_for(lambda: states(opened, "s") == ["COMPLETE"])
    pool.send_signal(signal.SIGTERM)
    _, errors = pool.communicate(timeout=300)
    assert pool.returncode == 0, errors
    assert "trial 0: its worker is gone; the trial goes on elsewhere" in errors
    opened.database.release()


def test_one_study_or_all(place: Place) -> None:
    for arguments in (["work"], ["work", "s", "--all"]):
        refused = place.run(*arguments)
        assert refused.returncode == 2
        assert "name one study, or give --all" in refused.stderr


def test_a_search_can_be_left_to_workers_elsewhere(place: Place) -> None:
    watched = place.start("run", place.spec(trials=3), "--workers", "0")
    assert watched.stderr is not None
    assert "3 trials on the workers elsewhere" in watched.stderr.readline()
    worked = place.run("work", "s")
    assert worked.returncode == 0, worked.stderr
    _, errors = watched.communicate(timeout=300)
    assert watched.returncode == 0, errors
