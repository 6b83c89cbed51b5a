"""A small vision transformer: patches, fixed positions, blocks of attention and dense layers, and their mean.

Dosovitskiy et al., 2021, in the plainer shape of Beyer et al., "Better plain ViT baselines for ImageNet-1k", 2022.
"""

import torch
import torch.nn.functional as F
from torch import nn

from winnow.objectives.models.architectures import ViTTiny
from winnow.objectives.models.layers import Dropout, DropPath
from winnow.objectives.models.shapes import Shape


class Patches(nn.Module):
    """Images to tokens (batch, places, width): a projection of each patch, and where it lies in sines and cosines."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(channels, width, patch, patch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) in."""
        tokens: torch.Tensor = self.projection(x)
        _, width, rows, columns = tokens.shape
        return tokens.flatten(2).transpose(1, 2) + positions(width, rows, columns, tokens.device)


def positions(width: int, rows: int, columns: int, device: torch.device) -> torch.Tensor:
    """Return where each place lies, float32 (rows x columns, width): sines and cosines of row and column."""
    rates = 10_000 ** -(torch.arange(width // 4, device=device) / max(1, width // 4 - 1))
    y, x = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    angles = [place.flatten()[:, None] * rates for place in (x, y)]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], 1)


class Attention(nn.Module):
    """Self-attention of several heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inputs, self.outputs = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, places, width) in and out."""
        batch, places, width = x.shape
        parts = self.inputs(x).view(batch, places, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(*parts.unbind(0))
        return self.outputs(attended.transpose(1, 2).reshape(batch, places, width))  # type: ignore[no-any-return]


class Block(nn.Module):
    """x + attention(norm(x)), then x + dense(norm(x)); in training each sum leaves its second part out with `path`."""

    def __init__(self, width: int, heads: int, dropout: float, path: float) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads), Dropout(dropout), DropPath(path))
        dense = (nn.Linear(width, 4 * width), nn.GELU(), Dropout(dropout), nn.Linear(4 * width, width))
        self.dense = nn.Sequential(nn.LayerNorm(width), *dense, Dropout(dropout), DropPath(path))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, places, width) in and out."""
        x = x + self.attention(x)
        return x + self.dense(x)  # type: ignore[no-any-return]


class Mean(nn.Module):
    """The mean over places."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, places, width) in, (batch, width) out."""
        return x.mean(1)


def vit_tiny(options: ViTTiny, shape: Shape, outputs: int) -> nn.Module:
    """ViT-Ti's width of 192 in 3 heads; the blocks are left out with a probability that rises to `drop_path`."""
    paths = [options.drop_path * place / max(1, options.blocks - 1) for place in range(options.blocks)]
    blocks = [Block(options.WIDTH, options.HEADS, options.dropout, path) for path in paths]
    head = nn.LayerNorm(options.WIDTH), Mean(), nn.Linear(options.WIDTH, outputs)
    return nn.Sequential(Patches(shape[0], options.WIDTH, options.patch), *blocks, *head)
