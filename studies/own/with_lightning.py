"""Train on scikit-learn's handwritten digits with Lightning; one callback tells Winnow what was logged.

winnow run with_lightning.toml
"""

import lightning.pytorch as lightning
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split

from winnow import LightningCallback


class Digits(lightning.LightningModule):
    """A perceptron with one hidden layer."""

    def __init__(self, lr, width, dropout):
        super().__init__()
        self.lr = lr
        self.network = torch.nn.Sequential(
            torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Dropout(dropout), torch.nn.Linear(width, 10)
        )

    def training_step(self, batch, index):
        """Give the loss of a batch."""
        loss = F.cross_entropy(self.network(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, index):
        """Log loss and accuracy."""
        outputs = self.network(batch[0])
        self.log("val_loss", F.cross_entropy(outputs, batch[1]))
        self.log("val_accuracy", (outputs.argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        """Give the optimiser."""
        return torch.optim.Adam(self.parameters(), self.lr)


def fit(trial, lr: float, width: int, dropout: float = 0.0, epochs: int = 8, seed: int = 0) -> float:
    """Train a configuration and give its validation accuracy."""
    lightning.seed_everything(seed, verbose=False)
    digits = load_digits()
    dataset = TensorDataset(torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target))
    training, validation = random_split(dataset, [1497, 300], torch.Generator().manual_seed(0))
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="auto",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[LightningCallback(trial, monitor="val_accuracy")],
    )
    trainer.fit(
        Digits(lr, width, dropout),
        DataLoader(training, batch_size=64, shuffle=True),
        DataLoader(validation, batch_size=300),
    )
    return float(trainer.callback_metrics["val_accuracy"])
