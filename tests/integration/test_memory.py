"""A trial that runs out of memory is tried once more, alone on its device."""

from integration.winnow import Place

HUNGRY = """
import os, time

def say(trial, what):
    with open("log", "a") as file:
        file.write(f"{trial.number} {what}\\n")

def search(trial, always=False):
    again = os.path.exists(f"hungry-{trial.number}")
    say(trial, "begins")
    try:
        time.sleep(0.5)  # stands for training
        if trial.number in (1, 4) and (always or not again):
            open(f"hungry-{trial.number}", "w").close()
            raise MemoryError
        if again:
            time.sleep(2)
        return trial.suggest_float("x", 0.0, 1.0)
    finally:
        say(trial, "ends")
"""


def run(place: Place, trials: int, fixed: str = "") -> tuple[list[str], list[tuple[int, str]]]:
    (place.folder / "hungry.py").write_text(HUNGRY)
    (place.folder / "s.toml").write_text(
        f'name = "s"\nobjective = "hungry:search"\n{fixed}[pruner]\nname = "none"\n[budget]\ntrials = {trials}\n'
    )
    done = place.run("run", "s.toml", "--devices", "cpu", "--slots", "3")
    assert done.returncode == 0, done.stderr
    lines = (line.split() for line in (place.folder / "log").read_text().splitlines())
    return place.states(), [(int(number), what) for number, what in lines]


def test_it_is_tried_again_alone(place: Place) -> None:
    states, log = run(place, 8)
    assert states == ["COMPLETE"] * 8
    for hungry in (1, 4):
        assert [what for number, what in log if number == hungry] == ["begins", "ends"] * 2
        second = max(i for i, entry in enumerate(log) if entry == (hungry, "begins"))
        others = {number: 0 for number, _ in log}
        for number, what in log[:second]:
            others[number] += 1 if what == "begins" else -1
        assert not any(others.values()), f"others train while trial {hungry} begins again: {log}"
        assert log[second + 1] == (hungry, "ends"), "and none begins before it has ended"


def test_it_fails_when_it_does_not_fit_alone_either(place: Place) -> None:
    states, log = run(place, 3, "[fixed]\nalways = true\n")
    assert states == ["COMPLETE", "FAIL", "COMPLETE"]
    assert sum(entry == (1, "begins") for entry in log) == 2, "once"
    assert place.study().trials[1].user_attrs["winnow:reason"] == "MemoryError"
