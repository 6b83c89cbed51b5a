"""Whatever a trial says or does, it ends in a state of the table with its reason, and no worker ends with it."""

import json
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from integration.winnow import Place, wait_for
from winnow.search.launch.supervisor import LOG_BYTES

# Stock Optuna's word on choices that are lists or objects, which it keeps.
pytestmark = pytest.mark.filterwarnings("ignore:Choices for a categorical distribution:UserWarning")

OBJECTIVE = r"""
import json, os, signal, sqlite3, sys, threading, time
import optuna

ACTS = json.load(open("acts.json"))
FOLDER = os.getcwd()

def first_time(trial):
    try:
        open(f"{FOLDER}/died-{trial.number}", "x").close()
    except FileExistsError:
        return False
    return True

async def coroutine():
    return 1.0

class Says:
    def __str__(self):
        raise SystemExit("no text")
    __float__ = __repr__ = __reduce__ = __str__

class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")

class Unpicklable(Exception):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()

def act(trial, kind, content=None):
    os.chdir(FOLDER)
    if kind == "returns":
        return eval(content)
    if kind == "raises":
        raise eval(content)
    if kind == "reports":
        for step, value in content:
            trial.report(float(value), step)
    if kind == "attribute":
        trial.set_user_attr(content[0], eval(content[1]))
    if kind == "system":
        trial.set_system_attr("theirs", content)
        assert trial.system_attrs["theirs"] == content
    if kind == "exits":
        sys.exit(content)
    if kind == "dies":
        if first_time(trial):
            os._exit(content)
    if kind == "signal":
        if first_time(trial):
            os.kill(os.getpid(), content)
            time.sleep(5)
    if kind == "dies answered" and not os.path.exists("answered"):
        open("answered", "w").close()
        lock = sqlite3.connect("winnow.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")  # until it has died, nothing that it reports can be written and answered
        threading.Timer(0.5, os._exit, [7]).start()
        trial.report(0.5, 1)
    if kind == "dies later" and not os.path.exists(f"died-{trial.number}"):
        open(f"died-{trial.number}", "w").close()
        threading.Timer(content, os._exit, [7]).start()
    if kind == "leaves a child" and not os.path.exists("child"):
        child = os.fork()  # which keeps what its parent has open
        if child == 0:
            time.sleep(600)
        open("child", "w").write(str(child))
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "resumes":  # says other things than it said before it died
        for step in range(content):
            trial.report(float(step), step)
            if first_time(trial):
                os._exit(1)
    if kind == "closes":
        if first_time(trial):
            os.closerange(3, 256)
    if kind == "alarm":
        if first_time(trial):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            time.sleep(5)
    if kind == "leaves":
        os.chdir("/")
    if kind == "asks":
        input()
    if kind == "recurses":
        return act(trial, kind)
    if kind == "suggests":
        low, high = content
        trial.suggest_float("y", float(low), float(high))
    if kind == "chooses":
        trial.suggest_categorical("c", eval(content))
    if kind == "constraint":
        trial.set_constraint(content[0], float(content[1]))
    if kind == "artifact":
        trial.store_artifact(content[0], content[1].encode("utf-8", "replace"))
    if kind == "many":  # threads that speak at the same time
        threads = [threading.Thread(target=trial.report, args=(1.0, step)) for step in range(content)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    if kind == "shuts":
        sys.stdout.close()
        sys.stderr = None
    if kind == "prints":
        for megabyte in range(content):
            print(f"megabyte {megabyte}", "x" * 2**20, flush=True)
    if kind == "forks":
        if os.fork() == 0:
            return 0.5  # a child that goes on as if it were the trainer
    if kind == "thread":
        def later():
            time.sleep(0.2)
            try:
                trial.report(1.0, 77)
            except RuntimeError:
                pass
        threading.Thread(target=later).start()
    return 1.0

def search(trial):
    trial.suggest_float("x", 0.0, 1.0)
    return act(trial, *ACTS[trial.number])
"""

# what a trial does, how it ends, and what its reason says
KNOWN: list[tuple[tuple[Any, ...], str, str]] = [
    (("returns", "1"), "COMPLETE", ""),
    (("returns", "float('nan')"), "FAIL", "the objective returned NaN"),
    (("returns", "float('inf')"), "COMPLETE", ""),
    (("returns", "None"), "FAIL", "returned a NoneType, which is no number"),
    (("returns", "(1.0, 2.0)"), "FAIL", "returned a tuple, which is no number"),
    (("returns", "'0.5'"), "FAIL", "returned '0.5', which is no number"),
    (("returns", "lambda: 1"), "FAIL", "returned a function, which is no number"),
    (("returns", "__import__('numpy').array(0.25)"), "COMPLETE", ""),
    (("returns", "__import__('fractions').Fraction(1, 4)"), "COMPLETE", ""),
    (("returns", "10**400"), "FAIL", "returned a int, which is no number"),
    (("returns", "__import__('decimal').Decimal('nan')"), "FAIL", "the objective returned NaN"),
    (("returns", "1j"), "FAIL", "returned a complex, which is no number"),
    (("returns", "coroutine()"), "FAIL", "returned a coroutine, which is no number"),
    (("returns", "Says()"), "FAIL", "SystemExit"),
    (("raises", "ValueError(Says())"), "FAIL", "ValueError"),
    (("raises", "ExceptionGroup('several', [KeyError(1), OSError(2)])"), "FAIL", "ExceptionGroup: several"),
    (("raises", "MemoryError()"), "FAIL", "MemoryError"),
    (("raises", "StopIteration(3)"), "FAIL", "StopIteration: 3"),
    (("recurses",), "FAIL", "RecursionError"),
    (("asks",), "FAIL", "EOFError"),
    (("suggests", ["nan", "1"]), "FAIL", ""),
    (("suggests", ["1", "0"]), "FAIL", ""),
    (("chooses", "[object()]"), "FAIL", "cannot be kept as JSON"),
    (("chooses", "[]"), "FAIL", ""),
    (("chooses", "[None, 1, 'a', [1, 2], {'b': (3,)}]"), "COMPLETE", ""),
    (("constraint", ["c", "nan"]), "FAIL", ""),
    (("constraint", ["c\0", "inf"]), "COMPLETE", ""),
    (("artifact", ["a/../../b\0", "text"]), "COMPLETE", ""),
    (("many", 30), "COMPLETE", ""),
    (("closes",), "COMPLETE", ""),
    (("alarm",), "COMPLETE", ""),
    (("leaves",), "COMPLETE", ""),
    (("raises", "ValueError('a\\0b\\ud800c')"), "FAIL", "ValueError: a"),
    (("raises", "Unprintable()"), "FAIL", "Unprintable: <Unprintable whose text cannot be had: RuntimeError>"),
    (("raises", "Unpicklable()"), "FAIL", "Unpicklable"),
    (("raises", "ValueError('y' * 10**7)"), "FAIL", "ValueError: yyy"),
    (("raises", "KeyboardInterrupt()"), "FAIL", "KeyboardInterrupt"),
    (("raises", "GeneratorExit()"), "FAIL", "GeneratorExit"),
    (("raises", "optuna.TrialPruned('en\\0ough')"), "PRUNED", "en"),
    (("exits", 3), "FAIL", "SystemExit: 3"),
    (("exits", 0), "FAIL", "SystemExit: 0"),
    (("reports", [[0, 0.5], [1, "nan"], [2, "inf"], [2**31 - 1, 1]]), "COMPLETE", ""),
    (("reports", [[-1, 0.5]]), "FAIL", "the step -1 is not between 0 and 2147483647"),
    (("reports", [[2**31, 0.5]]), "FAIL", "the step 2147483648 is not between"),
    (("resumes", 3), "COMPLETE", ""),
    (("attribute", ["t", "__import__('numpy').zeros(3)"]), "FAIL", "the attribute 't' cannot be kept as JSON"),
    (("attribute", ["t", "{1: object()}"]), "FAIL", "the attribute 't' cannot be kept as JSON"),
    (("attribute", ["t", "'z' * 2**21"]), "FAIL", "use trial.store_artifact"),
    (("attribute", ["a\0\ud800", "'\\0\\ud800'"]), "COMPLETE", ""),
    (("attribute", ["k" * 600, "1"]), "COMPLETE", ""),
    (("system", [1, 2]), "COMPLETE", ""),
    (("dies", 7), "COMPLETE", ""),
    (("signal", 9), "COMPLETE", ""),
    (("signal", 15), "COMPLETE", ""),
    (("signal", 40), "COMPLETE", ""),
    (("dies answered",), "COMPLETE", ""),
    (("leaves a child",), "COMPLETE", ""),
    *[(("dies later", 0.001 * i), "COMPLETE", "") for i in (0, 1, 3, 10, 30)],
    (("shuts",), "COMPLETE", ""),
    (("prints", 40), "COMPLETE", ""),
    (("forks",), "COMPLETE", ""),
    (("thread",), "COMPLETE", ""),
    (("returns", "__import__('time').sleep(0.5) or 1.0"), "COMPLETE", ""),
]
STATES = {"COMPLETE", "PRUNED", "FAIL"}


def lay(place: Place, acts: list[tuple[Any, ...]], more: str = "") -> None:
    (place.folder / "acts.json").write_text(json.dumps(acts))
    (place.folder / "mine.py").write_text(OBJECTIVE)
    (place.folder / "s.toml").write_text(
        'name = "s"\nobjective = "mine:search"\npruner = { name = "none" }\nsampler = { name = "random" }\n'
        f"budget = {{ trials = {len(acts)} }}\n{more}"
    )


def test_every_known_way_to_end(place: Place) -> None:
    lay(place, [act for act, _, _ in KNOWN])
    done = place.run("run", "s.toml", "--devices", "cpu", "--workers", "1", seconds=280)
    assert done.returncode == 0, done.stderr
    assert "is started again" not in done.stderr, "no worker ended"
    trials = place.study().trials
    assert len(trials) == len(KNOWN)
    said = [trial.user_attrs.get("winnow:reason", "") for trial in trials]
    ends = [(trial.state.name, words) for trial, words in zip(trials, said, strict=True)]
    wrong = [
        (act, *end)
        for (act, state, words), end in zip(KNOWN, ends, strict=True)
        if end[0] != state or words not in end[1] or len(end[1]) > 500 or (state == "FAIL" and not end[1])
    ]
    assert not wrong
    reports = next(i for i, (act, _, _) in enumerate(KNOWN) if act[0] == "reports")
    assert list(trials[reports].intermediate_values) == [0, 1, 2, 2**31 - 1], "step 0 is kept"
    child = int((place.folder / "child").read_text())
    wait_for(lambda: not psutil.pid_exists(child))  # a dead trainer's children end with it
    resumed = next(i for i, (act, _, _) in enumerate(KNOWN) if act[0] == "resumes")
    assert trials[resumed].intermediate_values == {0: 0.0, 1: 1.0, 2: 2.0}, "step 0 of an attempt that died, too"
    assert 77 not in trials[-1].intermediate_values, "what a thread of an earlier trial says is nobody's"
    log = next((place.folder / "winnow.db.files" / "logs").glob("*.log")).read_text()
    assert len(log) <= LOG_BYTES
    assert log.startswith("(what stood before was cut)")
    assert "megabyte 39" in log, "its end is kept"
    exits = next(i for i, (act, _, _) in enumerate(KNOWN) if act[0] == "exits")
    assert "SystemExit" in trials[exits].user_attrs["winnow:traceback"]
    assert place.run("status", "s").returncode == 0
    assert place.run("report", "s").returncode == 0


@pytest.mark.parametrize(
    "error",
    [
        "RuntimeError('CUDA error: device-side assert triggered')",
        "__import__('torch').AcceleratorError('an illegal memory access was encountered')",
    ],
)
def test_an_error_that_outlives_its_trial_ends_its_process(place: Place, error: str) -> None:
    lay(place, [("returns", "__import__('os').getpid()"), ("raises", error), *[("returns", "os.getpid()")] * 2])
    done = place.run("run", "s.toml", "--devices", "cpu", "--workers", "1")
    assert done.returncode == 0, done.stderr
    trials = place.study().trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials[1].user_attrs["winnow:run"]["attempts"] == 2, "once more, in a fresh process"
    assert trials[0].value != trials[2].value == trials[3].value


def test_a_device_that_fails_one_trial_after_another_is_given_up(place: Place) -> None:
    acts = [("raises", "RuntimeError('CUDA error: uncorrectable ECC error encountered')")] * 12
    lay(place, acts)
    done = place.run("run", "s.toml", "--devices", "cpu", "--workers", "1")
    assert done.returncode == 1
    assert "cpu failed two trials in a row" in " ".join(done.stderr.split())
    assert place.states().count("FAIL") <= 1, "the budget is not burnt"
    assert "RUNNING" not in place.states()


def test_a_study_that_is_deleted_and_a_trial_that_is_told_by_others(place: Place) -> None:
    lay(place, [("returns", "__import__('time').sleep(2) or 1.0")] * 40)
    worker_says = _while_it_trains(place, lambda study: study.tell(study.trials[0].number, 0.25))
    assert "trial 0 no longer belongs to this worker" in worker_says
    import optuna

    worker_says = _while_it_trains(place, lambda _: optuna.delete_study(study_name="s", storage=place.storage()))
    assert "the study 's' was deleted while it was worked on" in worker_says
    assert "Traceback" not in worker_says


def _while_it_trains(place: Place, harm: Any) -> str:
    from integration.winnow import wait_for

    if not (place.folder / "winnow.db").exists():
        assert place.run("create", "s.toml").returncode == 0
    worker = place.start("work", "s", "--lease-seconds", "3")
    wait_for(lambda: "RUNNING" in place.states())
    harm(place.study())
    try:
        _, said = worker.communicate(timeout=12)
    except Exception:
        worker.terminate()
        _, said = worker.communicate(timeout=30)
    return str(said)


TEXTS = st.text(st.characters(), max_size=30)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.lists(st.integers(), max_size=3)
ACTS = st.one_of(
    st.tuples(st.just("returns"), st.one_of(st.floats().map(lambda x: f"float('{x}')"), PLAIN.map(ascii))),
    st.tuples(st.just("raises"), TEXTS.map(lambda text: f"RuntimeError({text!a})")),
    st.tuples(st.just("raises"), TEXTS.map(lambda text: f"optuna.TrialPruned({text!a})")),
    st.tuples(
        st.just("reports"), st.lists(st.tuples(st.integers(-2, 2**33), st.floats().map(str)).map(list), max_size=3)
    ),
    st.tuples(st.just("attribute"), st.tuples(TEXTS, PLAIN.map(ascii)).map(list)),
    st.tuples(st.just("exits"), st.one_of(st.none(), st.integers(-5, 300), TEXTS)),
    st.tuples(st.just("dies"), st.integers(0, 200)),
    st.tuples(st.just("signal"), st.sampled_from([1, 3, 6, 9, 11, 15, 40])),
    st.tuples(st.just("forks")),
    st.tuples(st.just("suggests"), st.lists(st.floats().map(str), min_size=2, max_size=2)),
    st.tuples(st.just("chooses"), st.lists(PLAIN, max_size=3).map(ascii)),
    st.tuples(st.just("constraint"), st.tuples(TEXTS, st.floats().map(str)).map(list)),
    st.tuples(st.just("artifact"), st.tuples(TEXTS, TEXTS).map(list)),
    st.tuples(st.just("system"), PLAIN.filter(lambda x: not isinstance(x, float))),
    st.tuples(st.just("many"), st.integers(0, 20)),
    st.tuples(st.just("resumes"), st.integers(0, 3)),
    st.tuples(st.sampled_from(["closes", "shuts", "alarm", "leaves", "asks", "recurses"])),
    st.tuples(st.just("thread")),
)


@settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=st.lists(ACTS, min_size=30, max_size=30))
def test_anything(place: Place, acts: list[tuple[Any, ...]]) -> None:
    for file in [*place.folder.glob("winnow.db*"), *place.folder.glob("died-*")]:
        if file.is_file():
            file.unlink()
    lay(place, [("returns", "1.0"), *acts])
    done = place.run("run", "s.toml", "--devices", "cpu", "--workers", "1", seconds=250)
    assert done.returncode == 0, done.stderr
    assert "is started again" not in done.stderr, "no worker ended"
    trials = place.study().trials
    assert len(trials) == 31
    assert {trial.state.name for trial in trials} <= STATES
    assert all(trial.user_attrs.get("winnow:reason") for trial in trials if trial.state.name == "FAIL")
