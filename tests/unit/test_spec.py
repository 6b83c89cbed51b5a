"""The study spec: what it accepts, and each refusal in words that name file, key, problem and remedy."""

import math
from pathlib import Path
from typing import Any

import pytest

from winnow.errors import SpecError
from winnow.objectives.space import Choice, Range
from winnow.search.study import validation

GOOD = """
name = "s"
[data]
name = "digits"
[fixed]
epochs = 3
[search]
lr = { low = 1e-4, high = 1e-1, log = true }
[budget]
trials = 4
"""


def content(**changes: Any) -> dict[str, Any]:
    return {
        "name": "s",
        "data": {"name": "digits"},
        "search": {"lr": {"low": 1e-4, "high": 1e-1, "log": True}},
        "budget": {"trials": 4},
        **changes,
    }


def test_a_good_spec_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(GOOD)
    spec = validation.read(path)
    assert spec.space == {"lr": Range(1e-4, 1e-1, log=True)}
    assert spec.optimises == "maximize"
    assert spec.storage_budget.trials == 4
    assert (spec.sampler.name, spec.pruner.name) == ("tpe", "asha")


def test_a_spec_survives_its_own_storage() -> None:
    spec = validation.check(
        content(
            search={
                "optimizer": {"choices": ["sgd", "adam"]},
                "momentum": {"low": 0.0, "high": 0.9, "when": {"optimizer": ["sgd"]}},
                "batch_size": {"low": 16, "high": 128, "step": 16},
            },
            sampler={"name": "grid", "points": 3},
            pruner={"name": "hyperband", "reduction_factor": 2},
            budget={"hours": 1.5},
        ),
        "s.toml",
    )
    assert validation.check(spec.model_dump(mode="json"), "the storage") == spec


def test_lists_among_choices_are_kept_as_lists() -> None:
    spec = validation.check(content(search={"widths": {"choices": [[64], [64, 32]]}}), "s.toml")
    entry = spec.space["widths"]
    assert isinstance(entry, Choice)
    assert entry.labels == ("[64]", "[64, 32]")


OWN: dict[str, Any] = {
    "objective": "mine:run",
    "data": None,
    "fixed": {},
    "search": {"lr": {"low": 0.1, "high": 1.0}, "width": {"low": 1, "high": 4}},
}
SEVERAL = {"optimizer": {"choices": ["sgd", "adam", "adamw"]}}
SGD = {"low": 1e-2, "high": 1.0, "log": True, "when": {"optimizer": ["sgd"]}}
OTHERS = {"low": 1e-4, "high": 1e-2, "log": True}


def test_one_hyperparameter_may_have_a_range_for_each_condition() -> None:
    spec = validation.check(content(search={**SEVERAL, "lr": [SGD, OTHERS]}), "s.toml")
    assert spec.space["lr@optimizer=sgd"] == Range(1e-2, 1.0, log=True, when={"optimizer": ("sgd",)})
    assert spec.space["lr"] == Range(1e-4, 1e-2, log=True)
    assert validation.check(spec.model_dump(mode="json"), "the storage") == spec


def test_a_vast_space_is_looked_at_in_part() -> None:
    sizes = [[size] for size in range(1, 60)]
    search = {name: {"choices": sizes} for name in ("widths", "filters", "hidden")}
    spec = validation.check(content(search={**search, "model": {"choices": ["mlp", "cnn"]}}), "s.toml")
    assert len(spec.space) == 4


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"nmae": "x"}, "s.toml: nmae: there is no such key; did you mean 'name'?"),
    ({"name": "a b"}, "s.toml: name: 'a b' is no name; use up to 100 letters, digits, dots, dashes, underscores"),
    (
        {"search": {"lr": {"low": 0.1, "high": 0.01}}},
        "s.toml: [search] lr: low 0.1 is above high 0.01; exchange them",
    ),
    (
        {"search": {"lr": {"low": 0.0, "high": 0.1, "log": True}}},
        "s.toml: [search] lr: a log scale cannot begin at 0; set low above 0, or log = false",
    ),
    (
        {"search": {"lr": {"low": 0.1}}},
        "s.toml: [search] lr: neither `choices` nor both `low` and `high` are given; write { low = …, high = … }",
    ),
    (
        {"search": {"lr": {"low": 0.1, "hihg": 1}}},
        "s.toml: [search] lr.hihg: there is no such key; did you mean 'high'?",
    ),
    (
        {"search": {"lrr": {"low": 0.1, "high": 1}}},
        "s.toml: [search] lrr: there is no hyperparameter 'lrr'; did you mean 'lr'?",
    ),
    (
        {"search": {"epochs": {"low": 1.5, "high": 3}}},
        "s.toml: [search] epochs: 1.5 or its step is not a whole number; round it",
    ),
    (
        {"search": {"lr": {"low": 1e-4, "high": 0.1, "log": True, "prior": 1.0}}},
        "s.toml: [search] lr: its prior 1.0 is not among what is searched; name one from 0.0001 to 0.1",
    ),
    (
        {"search": {"optimizer": {"choices": ["sgd", "adam"], "prior": "adamw"}}},
        "s.toml: [search] optimizer: its prior 'adamw' is not among what is searched; name one of ['sgd', 'adam']",
    ),
    (
        {"search": {"epochs": {"low": 1, "high": 30, "prior": 2.5}}},
        "s.toml: [search] epochs: its prior 2.5 is not among what is searched; name one from 1 to 30",
    ),
    (
        {"search": {"lr": {"low": 1e-4, "high": 0.1, "confidence": 0.5}}},
        "s.toml: [search] lr: `confidence` is that of a prior; write for example prior = …, or drop it",
    ),
    (
        {"search": {"dropout": {"low": 0.0, "high": 0.4, "prior": 0.1}}, "sampler": {"name": "grid"}},
        "s.toml: [search] dropout: grid goes through all values, and draws none by a prior; drop `prior`",
    ),
    (
        {"ablation": {"methods": {"regularisation": ["dropuot"]}}},
        "s.toml: [ablation] methods: there is no hyperparameter 'dropuot'; did you mean 'dropout'?",
    ),
    (
        {"ablation": {"method": {}}},
        "s.toml: [ablation] method: there is no such key; did you mean 'methods'?",
    ),
    ({"search": {"seed": {"low": 0, "high": 3}}}, "s.toml: [search] seed: a seed is not searched"),
    ({"search": {"flip": {"low": 0, "high": 1}}}, "s.toml: [search] flip: it has no range"),
    (
        {"search": {"optimizer": {"choices": ["adam", "adam"]}}},
        "s.toml: [search] optimizer: a choice stands twice; remove it",
    ),
    (
        {"search": {"optimizer": {"choices": ["adamm"]}}},
        "s.toml: [search] optimizer: optimizer = 'adamm' is not known; choose one of",
    ),
    (
        {"fixed": {"lr": 0.1}},
        "s.toml: [search] lr: it is in [fixed] as well; keep one of the two",
    ),
    (
        {"search": {"lr": {"low": 1e-4, "high": 1e300, "log": True}}},
        "s.toml: [search] lr: lr = 1e+300 is beyond 3.4e+38, the largest number that 32-bit floats hold; choose one",
    ),
    (
        {"search": {"lr": {"low": -1e308, "high": 1e308}}},
        "s.toml: [search] lr: from -1e+308 to 1e+308 is further than a float can tell; narrow it",
    ),
    (
        {"search": {"lr": {"low": 0.1, "high": math.inf}}},
        "s.toml: [search] lr: from 0.1 to inf is no range; give it two ends",
    ),
    ({"fixed": {"dropout": "much"}}, "s.toml: [fixed] dropout: dropout = 'much' is not a number"),
    ({"fixed": {"label_smoothing": 2}}, "s.toml: [fixed] label_smoothing: label_smoothing = 2 is outside 0 to 1"),
    (
        {"search": {"momentum": {"low": 0, "high": 0.9}}, "fixed": {"optimizer": "adam"}},
        "s.toml: [search] momentum: it has no effect with optimizer = adam; remove it, or set optimizer to",
    ),
    (
        {"search": {"lr": {"low": 0.1, "high": 1, "when": {"optimizer": ["sgd"]}}}},
        "s.toml: [search] lr: `when` names optimizer, which is not searched",
    ),
    (
        {
            "search": {
                "optimizer": {"choices": ["adam"]},
                "lr": {"low": 0.1, "high": 1, "when": {"optimizer": ["sgd"]}},
            }
        },
        "s.toml: [search] lr: `when` waits for optimizer = 'sgd', which is never drawn",
    ),
    (
        {"search": {"dropout": {"low": 0.0, "high": 0.5}}, "fixed": {"model": "cnn"}},
        "s.toml: [search] dropout: it has no effect without hidden dense layers; write for example hidden = [64]",
    ),
    ({"data": {"name": "digit"}}, "s.toml: [data]: there is no data set 'digit'"),
    ({"data": None}, "s.toml: [data] name: no data set is named"),
    ({"data": {"name": "digits", "trian": 3}}, "s.toml: [data] trian: there is no such key"),
    ({"sampler": {"name": "tpee"}}, "s.toml: [sampler] name: there is no sampler 'tpee'; choose one of"),
    ({"sampler": {"name": "tpe", "points": 3}}, "s.toml: [sampler] points: there is no such key"),
    ({"pruner": {"name": "median", "n_warmup_steps": -1}}, "s.toml: [pruner] n_warmup_steps: "),
    ({"budget": {}}, "s.toml: [budget]: no limit is given; write for example trials = 40"),
    ({"budget": {"trials": 0}}, "s.toml: [budget] trials: "),
    (
        {"sampler": {"name": "grid", "points": 3}, "budget": {"trials": 9}},
        "s.toml: [budget] trials: the grid has 3 cells and the baseline comes first; write at most trials = 4",
    ),
    ({"objective": "clasification"}, "s.toml: objective: there is no objective 'clasification'"),
    ({"objective": "mine:run"}, "s.toml: [data]: an objective of one's own loads its own data; remove [data]"),
    (
        {**OWN, "baseline": {"width": 4}},
        "s.toml: [baseline]: it says nothing of lr; name each hyperparameter that trial 0 is to have",
    ),
    ({**OWN, "baseline": {"depth": 4}}, "s.toml: [baseline] depth: it is not searched"),
    ({**OWN, "fixed": {"lr": 0.1}}, "s.toml: [search] lr: it is in [fixed] as well; keep one of the two"),
    ({**OWN, "sampler": {"name": "coordinate"}}, "s.toml: [baseline]: coordinate begins there; name each searched"),
    (
        {**OWN, "sampler": {"name": "grid", "points": 2}, "budget": {"trials": 5}},
        "s.toml: [budget] trials: the grid has 4 cells; write at most trials = 4, or leave it out",
    ),
    ({**OWN, "ablation": {"methods": {"a": ["lr"], "b": ["lr"]}}}, "s.toml: [ablation] methods: lr is in 'a' and in"),
    ({"baseline": {"dropout": 0.1}}, "s.toml: [baseline] dropout: it is not searched"),
    ({"search": {"lr": []}}, "s.toml: [search] lr: its list is empty"),
    (
        {"search": {**SEVERAL, "lr": [OTHERS, SGD]}},
        "s.toml: [search] lr: an entry without `when` is drawn wherever no other is; let it stand last",
    ),
    (
        {"search": {**SEVERAL, "lr": [SGD, SGD]}},
        "s.toml: [search] lr: two of its entries have the same `when`; keep one of the two",
    ),
    (
        {"search": {**SEVERAL, "lr": [SGD, {"low": 0.1, "hihg": 1}]}},
        "s.toml: [search] lr (entry 2).hihg: there is no such key; did you mean 'high'?",
    ),
    (
        {"search": {"depth": {"low": 1, "high": 4}}, "fixed": {"model": "cnn"}},
        "s.toml: [search]: a configuration with depth = 4 does not fit the data: images of 8x8 are too small",
    ),
    (
        {
            "search": {"filters": {"choices": [[8], [8, 16, 32, 64]]}, "model": {"choices": ["mlp", "cnn"]}},
            "sampler": {"name": "grid"},
        },
        's.toml: [search]: a configuration with model = "cnn", filters = [8, 16, 32, 64] does not fit the data: images',
    ),
    (
        {"search": {"batch_size": {"low": 16, "high": 64}}, "data": {"name": "digits", "train": 100}},
        "s.toml: [search]: the baseline does not fit the data: batch_size = 128 is more than the 100 training examples",
    ),
    (
        {"fixed": {"crop": True, "crop_padding": 1, "crop_size": 12}},
        "s.toml: [search]: the baseline does not fit the data: crop_size = 12 is more than the 10 pixels",
    ),
    (
        {"fleet": {"devices_per_trial": 2, "fuse": 8}},
        "s.toml: fleet: fuse has a device train several trials, devices_per_trial several train one; keep one",
    ),
    (
        {"search": {"optimizer": ["sgd", "adam"]}},
        "s.toml: [search] optimizer (entry 1): 'sgd' says neither choices nor a range; write { choices = […] }",
    ),
    (
        {"search": {"lr": 0.1}},
        "s.toml: [search] lr: 0.1 says neither choices nor a range; write { choices = […] } or { low = …, high = … }, "
        "or put one value under [fixed]",
    ),
    (
        {"budget": 12},
        "s.toml: budget: 12 is no table of keys; write [budget], and its keys below",
    ),
    (
        {"fleet": {"devices_per_trail": 2}},
        "s.toml: [fleet] devices_per_trail: there is no such key; did you mean 'devices_per_trial'?",
    ),
    (
        {"fleet": {"devices_per_trial": 32}, "fixed": {"batch_size": 60}},
        "s.toml: [search]: the baseline does not fit the data: batch_size = 60 leaves less than two examples to each",
    ),
]


@pytest.mark.parametrize(("changes", "sentence"), REFUSED, ids=[sentence[8:48] for _, sentence in REFUSED])
def test_what_is_wrong_is_said_in_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError) as refusal:
        validation.check(content(**changes), "s.toml")
    assert str(refusal.value).startswith(sentence)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_and_one_that_is_no_toml(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no such file"):
        validation.read(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = \n")
    with pytest.raises(SpecError, match=r"broken\.toml: this is not TOML: .* line 1"):
        validation.read(broken)
    broken.write_text("flip = True\n")
    with pytest.raises(SpecError, match="; TOML writes true and false small"):
        validation.read(broken)
    with pytest.raises(SpecError, match=r'train:fit: there is no such file; .* objective = "train:fit"'):
        validation.read(Path("train:fit"))


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("train.py", "import torch\n\ndebug = True\n", 'names the function: objective = "train:FUNCTION"'),
        ("sweep.yaml", "method: bayes\nparameters:\n  lr: {min: 0.1}\n", "docs/coming_from.md has what stands there"),
    ],
)
def test_what_other_tools_begin_with_is_answered_with_what_to_write(
    file: str, text: str, says: str, tmp_path: Path
) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(SpecError, match=f"{file}: this is not TOML: .*; a study is a TOML file.*{says}"):
        validation.read(tmp_path / file)


def test_every_ready_made_spec_is_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cat", "dog", "wild"):  # the folder that the specs of system C name; a check opens no image
        folder = tmp_path / "data" / "animals" / name
        folder.mkdir(parents=True)
        for number in range(150):
            (folder / f"{number}.png").touch()
    monkeypatch.chdir(tmp_path)
    files = sorted((Path(__file__).parents[2] / "studies").rglob("*.toml"))
    assert files
    for file in files:
        assert validation.read(file).name == file.stem


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"name": ["s"]}, "name: ['s'] is no text; write it in quotes"),
        ({"objective": sorted}, 'objective: sorted is given as a function; write "module:sorted"'),
        ({"objective": "my-train:fit"}, 'write "my_train:fit", and call the file my_train.py'),
        ({"objective": "./tools/train.py:fit"}, 'write "tools.train:fit"'),
        ({"search": {"lr": {"min": 0.1, "max": 1.0}}}, "[search] lr.min: there is no such key; did you mean 'low'?"),
        (
            {"objective": "train:Net.fit", "data": None, "fixed": {}, "search": {}},
            "objective: 'Net.fit' is no name of a function in train; let a function there call it",
        ),
        ({"search": {"lr": {"min_value": 0.1}}}, "[search] lr.min_value: there is no such key; did you mean 'low'?"),
        (
            {"search": {"lr": {"_type": "loguniform", "_value": [0.1, 1.0]}}},
            "[search] lr._type: there is no such key; write { low = …, high = … }, of a logarithm",
        ),
        ({"parameters": {"lr": {"min": 0.1}}}, "parameters: there is no such key; did you mean 'search'?"),
        ({"n_trials": 100}, "n_trials: there is no such key; did you mean 'budget'?"),
        ({"sampler": "tpe"}, "sampler: 'tpe' is no table of keys; write [sampler], and below it name = "),
        ({"search": {"lr": {"values": [0.1]}}}, "[search] lr.values: there is no such key; did you mean 'choices'?"),
        ({"name": "n" * 300}, "… (302 letters) is no name; use up to 100 letters"),
        ({"data": "digits"}, "data: 'digits' is no table of keys; write [data], and its keys below"),
        ({"budget": {"trials": 3.5}}, "[budget] trials: 3.5 is no whole number"),
        ({"search": {"lr": {"choices": "abc"}}}, "[search] lr.choices: 'abc' is no list; write it in brackets"),
        ({"search": {"lr": {"choices": []}}}, "[search] lr.choices: it is empty; name at least one"),
        ({"fleet": {"fuse": "many"}}, "[fleet] fuse: 'many' is no whole number; write for example 3 or 'auto'"),
        ({"question": [{"asks": "?", "kind": "which"}]}, "[[question]] 1: kind: it should be 'methods', "),
        ({"question": [{"asks": "?", "kind": "along", "of": "lr"}]}, "lr is not searched; searched are none"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_in_words_of_the_file(content: dict[str, Any], says: str) -> None:
    whole = {"name": "s", "data": {"name": "digits"}, "budget": {"trials": 4}, **content}
    with pytest.raises(SpecError) as refused:
        validation.check(whole, "s.toml")
    assert says in str(refused.value)


def test_a_spec_may_begin_with_the_mark_of_an_editor_and_is_utf_8(tmp_path: Path) -> None:
    text = 'name = "s"\ndata = { name = "digits" }\nbudget = { trials = 4 }\n'
    (tmp_path / "s.toml").write_text(text, encoding="utf-8-sig")
    assert validation.read(tmp_path / "s.toml").name == "s"
    (tmp_path / "s.toml").write_text(f"# Hündchen\n{text}", encoding="latin-1")
    with pytest.raises(SpecError, match="its byte 3 is no UTF-8, which TOML is written in; save it as UTF-8"):
        validation.read(tmp_path / "s.toml")
