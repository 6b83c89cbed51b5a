"""What stock Optuna makes of the faults in docs/reliability.md, each in a process and a study of its own.

`python -m bench.stock URL` prints a row for each: how the process ended, and what was left of the study.
"""

import subprocess
import sys
from collections import Counter

START = """
import logging, os, sys, time, optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
logging.disable(logging.WARNING)
URL, NAME = sys.argv[1:]
def storage(url=URL):
    return optuna.storages.RDBStorage(url, heartbeat_interval=1, grace_period=2)
def study(sampler=None, url=URL):
    sampler = sampler or optuna.samplers.RandomSampler(seed=1)
    return optuna.create_study(
        study_name=NAME, storage=storage(url), load_if_exists=True, sampler=sampler, direction="maximize"
    )
def once(trial, what):
    trial.suggest_float("x", 0, 1)
    if trial.number == 1:
        return what(trial)
    return 1.0
def search(what, trials=4):
    study().optimize(lambda trial: once(trial, what), n_trials=trials)
def tensor(trial):
    import torch
    trial.set_user_attr("t", torch.tensor([1.0, 2.0]))
    return 1.0
def unprintable(trial):
    class Error(Exception):
        def __str__(self):
            raise RuntimeError("no text")
    raise Error
def raised(error):
    def act(trial):
        raise error
    return act
def said(value, step=0):
    def act(trial):
        trial.report(value, step)
        return value
    return act
"""
FAULTS = {
    "returns NaN": "search(lambda trial: float('nan'))",
    "returns NaN, then TPE samples": """
study(optuna.samplers.TPESampler(n_startup_trials=2, seed=1)).optimize(
    lambda trial: once(trial, lambda trial: float('nan')), n_trials=8)""",
    "reports step 0": "search(said(0.5)); assert study().trials[1].intermediate_values == {0: 0.5}",
    "reports step -1": "search(said(0.5, -1))",
    "reports step 2**31": "search(said(0.5, 2**31))",
    "exception text with NUL": r"search(raised(optuna.TrialPruned('a\0b')))",
    "attribute with half a character": r"search(lambda trial: trial.set_user_attr('a', '\ud800') or 1.0)",
    "a tensor as attribute": "search(tensor)",
    "sys.exit": "search(lambda trial: sys.exit('bad arguments'))",
    "an exception without a text": "search(unprintable)",
    "an ordinary exception": "search(raised(ValueError('odd')))",
    "its process is killed": "search(lambda trial: os.kill(os.getpid(), 9))",
    "SIGTERM": "search(lambda trial: os.kill(os.getpid(), 15) or time.sleep(9) or 1.0)",
    "SIGHUP": "search(lambda trial: os.kill(os.getpid(), 1) or time.sleep(9) or 1.0)",
    "the study is deleted": "search(lambda trial: optuna.delete_study(study_name=NAME, storage=storage()) or 1.0)",
    "the trial is told by others": "search(lambda trial: study().tell(trial.number, 0.25) or 1.0)",
    "an objective is edited between two runs": """
search(lambda trial: 1.0, 2)
once = lambda trial, what: 2.0
search(lambda trial: 1.0, 2)""",
    "a value of inf among ten, and importance": """
search(lambda trial: float('inf'), 10)
optuna.importance.get_param_importances(study())""",
    "the server has no connection left": """
from sqlalchemy import create_engine, make_url
study()
with create_engine(URL).begin() as connection:
    for right in ("SELECT, INSERT, UPDATE, DELETE ON ALL TABLES", "USAGE ON ALL SEQUENCES"):
        if right.startswith("SELECT"):
            connection.exec_driver_sql("CREATE ROLE limited LOGIN CONNECTION LIMIT 1")
        connection.exec_driver_sql(f"GRANT {right} IN SCHEMA public TO limited")
limited = make_url(URL).set(username="limited")
held = create_engine(limited).connect()
study(url=limited.render_as_string(False)).optimize(lambda trial: 1.0, n_trials=1)""",
    "prints 20 MB": "search(lambda trial: print('x' * 20 * 2**20) or 1.0)",
}


def main(url: str) -> None:
    """Do each fault and print what is left."""
    print("| fault | how its process ended | the trials |\n|---|---|---|")
    for name, code in FAULTS.items():
        command = [sys.executable, "-c", START + code, url, name]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120)
        last = (done.stderr.strip().splitlines() or [""])[-1][:100] if done.returncode else ""
        print(f"| {name} | {done.returncode} {last} | {_trials(url, name)} |", flush=True)


def _trials(url: str, name: str) -> str:
    import optuna

    try:
        study = optuna.load_study(study_name=name, storage=url)
    except KeyError:
        return "no study"
    return ", ".join(f"{count} {state}" for state, count in Counter(t.state.name for t in study.trials).items())


if __name__ == "__main__":
    main(sys.argv[1])
