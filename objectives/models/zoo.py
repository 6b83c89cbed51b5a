"""Models of torchvision and timm, with a last layer for the data's classes and, if asked, a stem for small images."""

from typing import TYPE_CHECKING, Any

from winnow.objectives.errors import ObjectiveError
from winnow.objectives.models.shapes import Shape, need_images

if TYPE_CHECKING:
    from torch import nn


def make(library: str, name: str, shape: Shape, outputs: int, *, small_stem: bool) -> "nn.Module":
    """Build the library's model `name` with its own initial weights; raises ObjectiveError."""
    need_images(shape)
    network = {"torchvision": _torchvision, "timm": _timm}[library](name, shape, outputs)
    if small_stem:
        use_small_stem(f"{library}:{name}", network)
    return network


def _torchvision(name: str, shape: Shape, outputs: int) -> "nn.Module":
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise ObjectiveError(f"torchvision has no classifier {name!r}", _nearest(name, known))
    if shape[0] not in (1, 3):
        raise ObjectiveError(
            f"torchvision:{name} takes images of 1 or 3 channels, and these have {shape[0]}", "take another model"
        )
    options: dict[str, Any] = {"num_classes": outputs}
    if name.startswith("vit_"):
        options["image_size"] = shape[1]
    elif name == "maxvit_t":
        options["input_size"] = shape[1:]
    elif name in ("googlenet", "inception_v3"):
        options |= {"aux_logits": False, "init_weights": True}
    network: nn.Module = models.get_model(name, weights=None, **options)
    return network


def _timm(name: str, shape: Shape, outputs: int) -> "nn.Module":
    try:
        import timm
    except ImportError:
        raise ObjectiveError("timm is not installed", "pip install 'winnow-hpo[timm]'") from None
    if not timm.is_model(name):
        raise ObjectiveError(f"timm has no model {name!r}", _nearest(name, timm.list_models()))
    options: dict[str, Any] = {"num_classes": outputs, "in_chans": 3 if shape[0] == 1 else shape[0]}
    known = timm.get_pretrained_cfg(name)
    if known is not None and known.fixed_input_size:
        options["img_size"] = shape[1:]
    network: nn.Module = timm.create_model(name, pretrained=False, **options)
    return network


def use_small_stem(name: str, network: "nn.Module") -> None:
    """Let the first convolution keep the size of images, 3x3 where it was larger, and drop the pooling after it.

    As is usual for ResNets on 32 pixels (He et al., 2016, section 4.2). Raises ObjectiveError where the model cuts
    images into patches.
    """
    from torch import nn

    parts = [(path, part) for path, part in network.named_modules() if isinstance(part, nn.Conv2d | nn.MaxPool2d)]
    first = parts[0][1] if parts else None
    if not isinstance(first, nn.Conv2d) or first.kernel_size == first.stride != (1, 1):
        raise ObjectiveError(f"{name} has no stem of convolutions to make small", "leave small_stem out")
    if first.kernel_size[0] > 3:
        stem = nn.Conv2d(first.in_channels, first.out_channels, 3, 1, 1, bias=first.bias is not None)
        stem.winnow_fresh = True  # type: ignore[assignment]
        network.set_submodule(parts[0][0], stem)
    else:
        first.stride = (1, 1)
    if len(parts) > 1 and isinstance(parts[1][1], nn.MaxPool2d):
        network.set_submodule(parts[1][0], nn.Identity())


def _nearest(name: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {', '.join(known[:8])}, …"
