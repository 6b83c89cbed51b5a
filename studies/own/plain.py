"""Train a small convolutional network on scikit-learn's handwritten digits: the same script as Winnow searches it.

winnow run plain.toml
"""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Net(nn.Module):
    """Two convolutions, a hidden layer with dropout, ten classes."""

    def __init__(self, width, dropout):
        super().__init__()
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.second = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.hidden = nn.Linear(2 * width * 16, 64)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(64, 10)

    def forward(self, images):
        """Give the logits of images (B, 1, 8, 8)."""
        features = F.relu(self.first(images))
        features = F.max_pool2d(F.relu(self.second(features)), 2)
        features = self.dropout(F.relu(self.hidden(features.flatten(1))))
        return self.output(features)


def load(batch_size):
    """Give loaders of the training, validation and test examples."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    dataset = TensorDataset(images, torch.tensor(digits.target))
    parts = random_split(dataset, [1197, 300, 300], torch.Generator().manual_seed(0))
    loaders = [DataLoader(part, batch_size=1000) for part in parts]
    loaders[0] = DataLoader(parts[0], batch_size=batch_size, shuffle=True)
    return loaders


def make_optimizer(model, args):
    """Make the optimiser that was asked for."""
    if args.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), args.lr, args.momentum, weight_decay=args.weight_decay)
    return torch.optim.AdamW(model.parameters(), args.lr, weight_decay=args.weight_decay)


def train_epoch(model, device, loader, optimizer):
    """Train for one epoch."""
    model.train()
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), targets)
        loss.backward()
        optimizer.step()


@torch.inference_mode()
def evaluate(model, device, loader):
    """Give the mean loss and the accuracy."""
    model.eval()
    loss = correct = count = 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        outputs = model(images)
        loss += F.cross_entropy(outputs, targets, reduction="sum").item()
        correct += (outputs.argmax(1) == targets).sum().item()
        count += len(targets)
    return loss / count, correct / count


def main(trial, test=False, seed=0, **options):
    """Train, evaluate after each epoch, and save the weights."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--optimizer", choices=("sgd", "adamw"), default="adamw")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--momentum", type=float, default=0.0)
    parser.add_argument("--weight-decay", type=float, default=0.0)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    args = trial.parse_args(parser, seed=seed, **options)

    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_loader, validation_loader, test_loader = load(args.batch_size)
    model = Net(args.width, args.dropout).to(device)
    optimizer = make_optimizer(model, args)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)

    for epoch in range(1, args.epochs + 1):
        train_epoch(model, device, train_loader, optimizer)
        scheduler.step()
        loss, accuracy = evaluate(model, device, validation_loader)
        print(f"epoch {epoch}: validation loss {loss:.4f}, accuracy {accuracy:.4f}")
        trial.report(accuracy, epoch, prune=True, validation_loss=loss)

    return (accuracy, evaluate(model, device, test_loader)[1]) if test else accuracy
