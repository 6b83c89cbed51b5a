"""Crops and flips of a whole batch as one gather from the uint8 images."""

import torch
from torch.nn import functional

from winnow.objectives.data.streaming import fits


class Windows:
    """Crops of one size, mirrored or not.

    Where memory allows, a padded copy of the images lies in one row of bytes. A view of that row with stride 1 in both
    directions has at each position the bytes that follow it, so the line of a crop is one of its rows, and a batch of
    crops is one `index_select`. The mirrored twin makes a flip an offset, at twice the memory. Without the copy, each
    pixel's place is reckoned: the same images, more slowly.
    """

    def __init__(
        self, images: torch.Tensor, padding: int, size: tuple[int, int], mirrored: bool, copied: bool | None = None
    ) -> None:
        """`images` uint8 (N, C, H, W), padded with black on all sides; crops are of `size` (height, width)."""
        count, channels, height, width = images.shape
        self._images, self._padding, self._size = images, padding, size
        self._height, self._width = height + 2 * padding, width + 2 * padding
        self._image_bytes = channels * self._height * self._width
        self._twin = count * self._image_bytes
        if copied is None:  # an accelerator that does not say how much memory it has is not asked for more
            copied = images.device.type in ("cpu", "cuda") and fits(self._twin * (1 + mirrored), images.device)
        self.copied = copied
        self._across = torch.arange(size[1], device=images.device)
        self._along = torch.arange(size[0], device=images.device)
        if self.copied:
            padded = functional.pad(images, (padding,) * 4)
            row = torch.cat([padded, padded.flip(-1)]).view(-1) if mirrored else padded.reshape(-1)
            self._lines = row.as_strided((row.numel() - size[1] + 1, size[1]), (1, 1))
            # Where the lines of one crop begin, from its first byte: of each channel, from the top and the bottom.
            channels_at = torch.arange(channels, device=images.device)[:, None] * (self._height * self._width)
            self._downwards = (channels_at + self._along * self._width).view(1, -1)
            self._upwards = (channels_at + self._along.flip(0) * self._width).view(1, -1)

    @property
    def places(self) -> tuple[int, int]:
        """How many rows and columns a crop can start at."""
        return self._height - self._size[0] + 1, self._width - self._size[1] + 1

    def take(
        self,
        index: torch.Tensor,
        top: torch.Tensor | int,
        left: torch.Tensor | int,
        flip: torch.Tensor | None = None,
        vertical_flip: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Crop the images at `index` (B,) at `top` and `left`, flip where asked (bool (B,)); uint8 (B, C, h, w)."""
        if not self.copied:
            return self._gather(index, top, left, flip, vertical_flip)
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

    def _gather(
        self,
        index: torch.Tensor,
        top: torch.Tensor | int,
        left: torch.Tensor | int,
        flip: torch.Tensor | None,
        vertical_flip: torch.Tensor | None,
    ) -> torch.Tensor:
        height, width = self._images.shape[2:]
        rows = _places(self._along, top, len(index), vertical_flip) - self._padding
        columns = _places(self._across, left, len(index), flip) - self._padding
        inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
        place = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
        images = self._images.index_select(0, index).flatten(2)
        taken = images.gather(2, place.flatten(1)[:, None].expand(-1, images.shape[1], -1))
        return taken.view(len(index), -1, *self._size) * inside[:, None]


def _places(line: torch.Tensor, start: torch.Tensor | int, count: int, turned: torch.Tensor | None) -> torch.Tensor:
    """Return where each image's line of pixels comes from, int64 (B, length): from `start`, backwards if turned."""
    lines = line.expand(count, -1) if turned is None else torch.where(turned[:, None], line.flip(0), line)
    return lines + (start[:, None] if isinstance(start, torch.Tensor) else start)
