"""The opponent of `bench.fused`: the digits search as a competent person writes it, in one file, with stock Optuna.

    python -m bench.competent URL TRIALS mlp|cnn [cpu|cuda] [PROCESSES] [EPOCHS]

Tensors in memory, batched crops, TPE, successive halving, SQLite, two processes of one thread or more; no checkpoints.
"""

import multiprocessing
import sys

import optuna

DONE = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.FAIL)


def work(url: str, trials: int, model: str, device: str, epochs: int, seed: int) -> None:
    import torch
    import torch.nn.functional as F
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from torch import nn

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    pixels, labels = load_digits(return_X_y=True)
    rest, _, rest_labels, _ = train_test_split(pixels, labels, test_size=0.2, stratify=labels, random_state=0)
    parts = train_test_split(rest, rest_labels, test_size=0.2, stratify=rest_labels, random_state=0)
    x, x_val, y, y_val = (torch.from_numpy(part).to(device) for part in parts)
    mean, std = x.mean(), x.std()
    x, x_val = (((part - mean) / std).float().view(-1, 1, 8, 8) for part in (x, x_val))

    def network(dropout: float) -> nn.Module:
        if model == "mlp":
            return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Dropout(dropout), nn.Linear(128, 10))
        blocks = [(nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)) for a, b in ((1, 16), (16, 32))]
        head = [nn.Flatten(), nn.Linear(128, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, 10)]
        return nn.Sequential(*(layer for block in blocks for layer in block), *head)

    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("optimizer", ["sgd", "adam", "adamw"])
        numbers = {"lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True)}
        numbers["weight_decay"] = trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True)
        if kind == "sgd":
            numbers["momentum"] = trial.suggest_float("momentum", 0.0, 0.95)
        smoothing = trial.suggest_float("label_smoothing", 0.0, 0.2)
        torch.manual_seed(trial.number)
        net = network(trial.suggest_float("dropout", 0.0, 0.6)).to(device)
        padding = trial.suggest_int("crop_padding", 0, 2) if model == "cnn" else 0
        classes = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
        optimizer = classes[kind](net.parameters(), fused=True, **numbers)
        accuracy = 0.0
        for epoch in range(1, epochs + 1):
            net.train()
            for index in torch.randperm(len(x), device=device).split(64):
                batch = x[index]
                if padding:
                    padded = F.pad(batch, (padding,) * 4, value=float(-mean / std)).unfold(2, 8, 1).unfold(3, 8, 1)
                    top, left = torch.randint(0, 2 * padding + 1, (2, len(index)), device=device)
                    batch = padded[torch.arange(len(index), device=device), :, top, left]
                loss = F.cross_entropy(net(batch), y[index], label_smoothing=smoothing)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            net.eval()
            with torch.no_grad():
                accuracy = float((net(x_val).argmax(1) == y_val).float().mean())
            trial.report(accuracy, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return accuracy

    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.load_study(
        study_name="s", storage=url, sampler=sampler, pruner=optuna.pruners.SuccessiveHalvingPruner()
    )
    study.optimize(objective, callbacks=[optuna.study.MaxTrialsCallback(trials, states=DONE)])


def main(url: str, trials: int, model: str, device: str = "cpu", processes: int = 2, epochs: int = 10) -> None:
    optuna.create_study(study_name="s", storage=url, direction="maximize")
    spawn = multiprocessing.get_context("spawn")
    workers = [
        spawn.Process(target=work, args=(url, trials, model, device, epochs, seed + 1)) for seed in range(processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:5], *map(int, sys.argv[5:7]))
