"""Train on scikit-learn's handwritten digits with Hugging Face's Trainer; one callback tells Winnow what it evaluates.

winnow run with_transformers.toml
"""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from transformers import Trainer, TrainingArguments

from winnow import TransformersCallback


class Digits(torch.nn.Module):
    """A perceptron with one hidden layer, called as the Trainer calls a model."""

    def __init__(self, width):
        super().__init__()
        self.hidden = torch.nn.Linear(64, width)
        self.output = torch.nn.Linear(width, 10)

    def forward(self, pixels, labels):
        """Give the loss and the logits."""
        logits = self.output(F.relu(self.hidden(pixels)))
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


def accuracy(prediction):
    """Give the share of right answers."""
    return {"accuracy": float((prediction.predictions.argmax(1) == prediction.label_ids).mean())}


def fit(trial, lr: float, width: int, weight_decay: float = 0.0, epochs: int = 6, seed: int = 0) -> float:
    """Train a configuration and give its validation accuracy."""
    digits = load_digits()
    examples = [
        {"pixels": torch.tensor(image / 16, dtype=torch.float32), "labels": int(label)}
        for image, label in zip(digits.data, digits.target, strict=True)
    ]
    arguments = TrainingArguments(
        output_dir="trainer",
        num_train_epochs=epochs,
        per_device_train_batch_size=64,
        learning_rate=lr,
        weight_decay=weight_decay,
        eval_strategy="epoch",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=seed,
    )
    trainer = Trainer(
        Digits(width),
        arguments,
        train_dataset=examples[:1497],
        eval_dataset=examples[1497:],
        compute_metrics=accuracy,
        callbacks=[TransformersCallback(trial, monitor="eval_accuracy")],
    )
    trainer.train()
    return trainer.state.log_history[-2]["eval_accuracy"]
