"""A fleet on this machine: a crash loop ends with its reason, and nothing outlives a fleet that is killed."""

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
from sqlalchemy import text

from integration.winnow import Place, wait_for
from winnow.search.launch.supervisor import Signals, Supervisor, wait

SLOW = "[fixed]\nepochs = 100\nepoch_seconds = 0.2\n[pruner]\nname = 'none'\n"


def test_a_crash_loop_stops_with_its_reason(place: Place) -> None:
    spec = place.spec(trials=3)
    (place.folder / "mine.py").write_text(
        "import os, sys\n"
        "if 'winnow.search.worker.trainer' in sys.orig_argv:\n"
        "    print('no licence for this', file=sys.stderr)\n"
        "    os._exit(7)\n"
        "def search(trial): return 1.0\n"
    )
    done = place.run("run", spec, "--devices", "cpu", "--workers", "1", seconds=200)
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    died = "the trainer's process ended with status 7 while it started, twice"
    assert f"no worker can be kept alive; the last one says: {died}" in told
    assert place.states() == [], "no trial was spent on it"
    log = next((place.folder / "winnow.db.files" / "logs").glob("s-*-0.log")).read_text()
    assert log.count("no licence for this") == 8, "it was tried again, but not for ever"


def test_a_worker_is_started_again_where_its_logs_were_deleted(place: Place) -> None:
    spec = place.spec(trials=2, more=SLOW.replace("100", "20"))
    assert place.run("create", spec).returncode == 0
    run = place.start("run", spec, "--workers", "1")
    held = wait_for(lambda: place.storage().database.scalars(text("SELECT worker FROM winnow_attempts")))
    shutil.rmtree(place.folder / "winnow.db.files")
    os.kill(int(held[0].split(":")[1]), signal.SIGKILL)
    _, told = run.communicate(timeout=200)
    assert run.returncode == 0, told
    assert place.states() == ["COMPLETE"] * 2


def test_in_a_folder_that_was_deleted_nothing_begins(place: Place) -> None:
    spec, told = place.spec(trials=2, more=SLOW), "the folder that this was started in is deleted; start it in one that"
    folder = place.folder / "deleted"
    folder.mkdir()
    (folder / "mine.py").write_bytes((place.folder / "mine.py").read_bytes())
    assert place.run("create", spec).returncode == 0
    here = Place(folder, place.started)
    run = here.start("run", f"../{spec}", "--workers", "1", OPTUNA_STORAGE=place.url, TMPDIR=str(place.folder))
    wait_for(lambda: any(trial.last_step for trial in place.study().trials))
    shutil.rmtree(folder)
    for process in psutil.Process(run.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # some are only there while another starts
            if "winnow.search.worker.trainer" in process.cmdline():
                process.kill()
    _, said = run.communicate(timeout=200)
    assert (run.returncode, told in said) == (1, True), said
    assert place.states() == ["WAITING"], "the trial is handed back"
    script = f"import os, subprocess, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone'); {ASKED}"
    refused = place.python("-c", script)
    assert (refused.returncode, refused.stderr.startswith(f"winnow: {told}")) == (2, True), refused.stderr


ASKED = "sys.exit(subprocess.run([sys.executable, '-P', '-m', 'winnow', 'check', '../s.toml']).returncode)"


def test_a_worker_whose_trainer_is_killed_as_it_starts_has_another(place: Place) -> None:
    spec = place.spec(trials=2)
    (place.folder / "mine.py").write_text(
        "import os, signal, sys\n"
        "if 'winnow.search.worker.trainer' in sys.orig_argv and not os.path.exists('killed'):\n"
        "    open('killed', 'w').close()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "def search(trial): return 1.0\n"
    )
    assert place.run("create", spec).returncode == 0
    done = place.run("work", "s")
    assert done.returncode == 0, done.stderr
    assert "the trainer's process was killed by SIGKILL while it started; it is started again" in done.stderr
    assert place.states() == ["COMPLETE"] * 2


def test_workers_that_leave_at_once_and_content_are_not_started_for_ever(place: Place) -> None:
    (place.folder / "sitecustomize.py").write_text(
        "import os, sys\nif 'work' in sys.orig_argv:\n    open('started', 'a').write('x')\n    os._exit(0)\n"
    )
    spec = place.spec(trials=3)
    # With two threads a worker is started by its command, which reads that file.
    own = {"PYTHONPATH": str(place.folder), "OMP_NUM_THREADS": "2"}
    done = place.run("run", spec, "--devices", "cpu", "--workers", "1", seconds=200, **own)
    assert done.returncode == 1
    assert "the last one says: it ended without having worked and without a word" in " ".join(done.stderr.split())
    assert (place.folder / "started").read_text() == "xxxx"


@pytest.fixture
def talker(place: Place) -> Iterator[Supervisor]:
    """The supervisor of a worker that says that it ended one trial and then two more, and leaves when told to."""
    (place.folder / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "if 'work' in sys.orig_argv:\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])\n"
        "    pipe = int(os.environ['WINNOW_SUPERVISOR'].partition(':')[2])\n"
        "    os.write(pipe, b'{\"ended\": 1}\\n')\n"
        "    signal.sigwait([signal.SIGUSR1])\n"
        "    os.write(pipe, b'{\"ended\": 3}\\n')\n"
        "    signal.sigwait([signal.SIGTERM])\n"
        "    os._exit(0)\n"
    )
    worker = Supervisor(["s"], environment={"PYTHONPATH": str(place.folder)})
    worker.look()
    yield worker
    worker.kill()
    worker.look()


def test_a_fleet_hears_at_once_that_trials_have_ended_and_that_a_worker_has_left(talker: Supervisor) -> None:
    assert talker.process is not None
    with Signals() as signals:
        wait([talker], signals, 600, ended=1)
        assert talker.ended == 1
        talker.process.send_signal(signal.SIGUSR1)
        wait([talker], signals, 600, ended=3)
        assert talker.ended == 3
        talker.ask_to_leave()
        wait([talker], signals, 600)
        assert talker.process.poll() == 0
        wait_for(lambda: talker.look() or talker.process)  # another is started, which begins to count anew
        wait([talker], signals, 600, ended=4)
        assert talker.ended == 4


def test_a_fleet_hears_a_signal_at_once(talker: Supervisor) -> None:
    with Signals() as signals:
        for times in (1, 2):
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGTERM)).start()
            while signals.times < times:  # the worker's first word may come before
                wait([talker], signals, 600)
        assert signals.stopped_by == signal.SIGTERM


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_nothing_outlives_a_fleet(place: Place, sent: signal.Signals) -> None:
    search = place.start("run", place.spec(trials=4, more=SLOW), "--devices", "cpu", "--workers", "2")
    wait_for(lambda: [worker["epoch"] for worker in _workers(place) if worker["epoch"]][1:])
    family = psutil.Process(search.pid).children(recursive=True)
    assert len(family) == 7, "two supervisors, their trainers, who guards each trainer's group, and who forks them"
    search.send_signal(sent)
    search.communicate()
    gone, alive = psutil.wait_procs(family, timeout=300)
    assert not alive
    assert len(gone) == 7
    assert place.states() == ["WAITING"] * 2, "their trials are handed back"
    assert search.returncode == (-sent if sent is signal.SIGKILL else 128 + sent)


def test_devices_that_are_not_there_are_refused_before_anything_is_written(place: Place) -> None:
    spec = place.spec(trials=2)
    for arguments, says in (
        (("--devices", "cuda:7"), "there is no device 'cuda:7' here"),
        (("--devices", "cpu,cpu"), "names one device twice"),
        (("--devices", "cpu", "--slots", "2", "--workers", "3"), "3 workers do not fit"),
    ):
        refused = place.run("run", spec, *arguments, CUDA_VISIBLE_DEVICES="")
        assert refused.returncode == 2, refused.stderr
        assert says in refused.stderr
        assert "Traceback" not in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
    assert not (place.folder / "winnow.db").exists()


def _workers(place: Place) -> list[dict[str, int]]:
    told = place.run("status", "s", "--json")
    return list(json.loads(told.stdout)["workers"]) if told.returncode == 0 else []


THREADS = """
import threading, tomllib, winnow

spec = tomllib.loads(open("s.toml").read())
studies = [winnow.create_study(spec | {"name": name}) for name in ("one", "other")]
threads = [threading.Thread(target=study.run, kwargs={"devices": "cpu", "workers": 1}) for study in studies]
for each in threads:
    each.start()
for each in threads:
    each.join()
"""


def test_two_fleets_run_in_threads_of_one_process(place: Place) -> None:
    """As from a web server, or from a notebook's cell that is not to block: signals are the main thread's alone."""
    place.spec(trials=3, more="[pruner]\nname = 'none'\n")
    ran = place.python("-c", THREADS)
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    assert place.states("one") == place.states("other") == ["COMPLETE"] * 3
