"""Crops and flips of a whole batch as one gather from the uint8 images."""

import torch
from torch.nn import functional


class Windows:
    """A padded copy of the images from which any crop of one size, mirrored or not, is a single gather.

    The padded images lie in one row of bytes. A view of that row with stride 1 in both directions has at each
    position the bytes that follow it, so the line of a crop is one of its rows, and a batch of crops is one
    `index_select`. The mirrored twin makes a flip an offset, at twice the memory.
    """

    def __init__(self, images: torch.Tensor, padding: int, size: tuple[int, int], mirrored: bool) -> None:
        """`images` uint8 (N, C, H, W), padded with black on all sides; crops are of `size` (height, width)."""
        padded = functional.pad(images, (padding,) * 4)
        count, channels, self._height, self._width = padded.shape
        self._size = size
        self._image_bytes = channels * self._height * self._width
        self._twin = count * self._image_bytes
        row = torch.cat([padded, padded.flip(-1)]).view(-1) if mirrored else padded.reshape(-1)
        self._lines = row.as_strided((row.numel() - size[1] + 1, size[1]), (1, 1))
        # Where the lines of one crop begin, from its first byte: of each channel, from the top and from the bottom.
        channels_at = torch.arange(channels, device=images.device)[:, None] * (self._height * self._width)
        lines_at = torch.arange(size[0], device=images.device) * self._width
        self._downwards = (channels_at + lines_at).view(1, -1)
        self._upwards = (channels_at + lines_at.flip(0)).view(1, -1)

    @property
    def places(self) -> tuple[int, int]:
        """How many rows and columns a crop can start at."""
        return self._height - self._size[0] + 1, self._width - self._size[1] + 1

    def take(
        self,
        index: torch.Tensor,
        top: torch.Tensor,
        left: torch.Tensor,
        flip: torch.Tensor | None = None,
        vertical_flip: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Crop the images at `index` (B,) at `top` and `left`, flip where asked (bool (B,)); uint8 (B, C, h, w)."""
        height, width = self._size
        start = index * self._image_bytes + top * self._width
        if flip is None:
            start += left
        else:
            start += torch.where(flip, self._twin + self._width - width - left, left)
        lines = self._downwards
        if vertical_flip is not None:
            lines = torch.where(vertical_flip[:, None], self._upwards, self._downwards)
        return self._lines.index_select(0, (start[:, None] + lines).view(-1)).view(len(index), -1, height, width)
