"""Hyperparameter search for image models in PyTorch, on Optuna.

study = winnow.create_study("studies/digits.toml")
study.run(workers=2)
study.best, study.to_dataframe(), study.confirm(), study.report()

docs/api.md describes everything that is exported here. A name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from winnow.errors import WinnowError

if TYPE_CHECKING:
    from winnow.objectives.adapters.lightning import LightningCallback
    from winnow.objectives.adapters.transformers import TransformersCallback
    from winnow.objectives.prediction import Model
    from winnow.search.api.model import load_model, load_winner
    from winnow.search.api.results import Ablation, Confirmation
    from winnow.search.api.study import Study, create_study, load_study, open_storage

__all__ = [
    "Ablation",
    "Confirmation",
    "LightningCallback",
    "Model",
    "Study",
    "TransformersCallback",
    "WinnowError",
    "create_study",
    "load_model",
    "load_study",
    "load_winner",
    "open_storage",
]

_MODULES = {
    "Ablation": "winnow.search.api.results",
    "Confirmation": "winnow.search.api.results",
    "LightningCallback": "winnow.objectives.adapters.lightning",
    "Model": "winnow.objectives.prediction",
    "Study": "winnow.search.api.study",
    "TransformersCallback": "winnow.objectives.adapters.transformers",
    "create_study": "winnow.search.api.study",
    "load_model": "winnow.search.api.model",
    "load_study": "winnow.search.api.study",
    "load_winner": "winnow.search.api.model",
    "open_storage": "winnow.search.api.study",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'winnow' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
