"""The opponents of `bench.fused`: its searches as a competent person writes them, and as tutorials do; stock Optuna.

    python -m bench.competent URL TRIALS mlp|cnn|fashion_mlp|smallnet [--loop usual]

TPE, successive halving, SQLite, two processes of one thread or more; no checkpoints. The competent one keeps tensors in
memory and crops by batches; the tutorial's reads PIL images through a DataLoader and follows each step's loss.
"""

import argparse
import gzip
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna

DONE = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.FAIL)
FASHION = Path("/usr/share/datasets/fashion-mnist")
FASHION_TRAINED, FASHION_VALIDATED = 2_000, 1_000


def examples(model: str, file: str | None) -> list[Any]:
    """Images uint8 (N, 1, H, W) of training and of validation, then labels int64 (N,); of a `file` what it holds."""
    import numpy as np
    import torch

    if file is not None:
        loaded: list[Any] = torch.load(file)
        return loaded
    from sklearn.model_selection import train_test_split

    if model in ("mlp", "cnn"):
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        images = (pixels * (255 / 16)).astype("uint8").reshape(-1, 1, 8, 8)
        images, _, labels, _ = train_test_split(images, labels, test_size=0.2, stratify=labels, random_state=0)
        sizes: dict[str, Any] = {"test_size": 0.2}
    else:
        names = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
        files = [gzip.decompress((FASHION / name).read_bytes()) for name in names]
        images = np.frombuffer(files[0], np.uint8, offset=16).reshape(-1, 1, 28, 28)
        labels = np.frombuffer(files[1], np.uint8, offset=8).astype(int)
        sizes = {"train_size": FASHION_TRAINED, "test_size": FASHION_VALIDATED}
    parts = train_test_split(images, labels, stratify=labels, random_state=0, **sizes)
    return [torch.from_numpy(part) for part in parts]


def network(model: str, dropout: float) -> Any:
    """The network of a search."""
    from bench import networks

    match model:
        case "mlp":
            return networks.mlp(64, (128,), 10, dropout)
        case "fashion_mlp":
            return networks.mlp(784, (128,), 10, dropout)
        case "cnn":
            return networks.cnn(dropout=dropout)
    return networks.smallnet(1, 28, 10, dropout)


def competent_epoch(data: list[Any], net: Any, optimizer: Any, smoothing: float, padding: int) -> Callable[[], float]:
    """What trains an epoch and returns the accuracy after it: images as tensors in memory, on the network's device."""
    import torch
    import torch.nn.functional as F

    x, x_val, y, y_val = data
    (height, width), black = x.shape[2:], float(x.min())

    def epoch() -> float:
        net.train()
        for index in torch.split(torch.randperm(len(x), device=x.device), 64):
            batch = x[index]
            if padding:
                padded = F.pad(batch, (padding,) * 4, value=black).unfold(2, height, 1).unfold(3, width, 1)
                top, left = torch.randint(0, 2 * padding + 1, (2, len(index)), device=x.device)
                batch = padded[torch.arange(len(index), device=x.device), :, top, left]
            loss = F.cross_entropy(net(batch), y[index], label_smoothing=smoothing)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        net.eval()
        with torch.no_grad():
            return float((net(x_val).argmax(1) == y_val).float().mean())

    return epoch


def usual_epoch(data: list[Any], net: Any, optimizer: Any, smoothing: float, padding: int) -> Callable[[], float]:
    """The same as tutorials write it, on the CPU."""
    from torch.utils.data import DataLoader
    from torchvision import transforms

    from bench import usual

    x, x_val, y, y_val = data
    level, spread = [float(x.float().mean()) / 255], [float(x.float().std()) / 255]
    crop = [transforms.RandomCrop(x.shape[2:], padding)] if padding else []
    batches: Any = DataLoader(usual.Images(x, y, crop, level, spread), 64, shuffle=True)
    judged: Any = DataLoader(usual.Images(x_val, y_val, (), level, spread), 64)

    def epoch() -> float:
        usual.train_epoch(net, batches, optimizer, smoothing)
        return usual.evaluate(net, judged)

    return epoch


def work(chosen: argparse.Namespace, seed: int) -> None:
    import torch

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    model, device = chosen.model, chosen.device
    loop = {"competent": competent_epoch, "usual": usual_epoch}[chosen.loop]
    data = examples(model, chosen.data)
    if loop is competent_epoch:
        x = data[0].float()
        mean, std = x.mean(), x.std()
        data = [((part - mean) / std if part.dim() > 1 else part).to(device) for part in data]

    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("optimizer", ["sgd", "adam", "adamw"])
        numbers = {"lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True)}
        numbers["weight_decay"] = trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True)
        if kind == "sgd":
            numbers["momentum"] = trial.suggest_float("momentum", 0.0, 0.95)
        smoothing = trial.suggest_float("label_smoothing", 0.0, 0.2)
        torch.manual_seed(trial.number)
        net = network(model, trial.suggest_float("dropout", 0.0, 0.6)).to(device)
        padding = trial.suggest_int("crop_padding", 0, 2) if model == "cnn" else 0
        classes = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
        optimizer = classes[kind](net.parameters(), **({"fused": True} if loop is competent_epoch else {}), **numbers)
        train = loop(data, net, optimizer, smoothing, padding)
        accuracy = 0.0
        for epoch in range(1, chosen.epochs + 1):
            accuracy = train()
            trial.report(accuracy, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return accuracy

    sampler = optuna.samplers.TPESampler(seed=seed)
    pruner = optuna.pruners.SuccessiveHalvingPruner()
    study = optuna.load_study(study_name="s", storage=chosen.url, sampler=sampler, pruner=pruner)
    study.optimize(objective, callbacks=[optuna.study.MaxTrialsCallback(chosen.trials, states=DONE)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("trials", type=int)
    parser.add_argument("model", choices=["mlp", "cnn", "fashion_mlp", "smallnet"])
    parser.add_argument("--loop", choices=["competent", "usual"], default="competent")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", help="file with other examples")
    chosen = parser.parse_args()
    optuna.create_study(study_name="s", storage=chosen.url, direction="maximize")
    spawn = multiprocessing.get_context("spawn")
    seeds = range(chosen.seed + 1, chosen.seed + 1 + chosen.processes)
    workers = [spawn.Process(target=work, args=(chosen, seed)) for seed in seeds]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()
