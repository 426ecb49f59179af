"""How large the columns of numbers are that go into the first linear layer as the data have them."""

from typing import Any

import torch
from torch import Tensor, nn

from moreish.doctor.evidence import InputScales
from moreish.doctor.subject import Subject

FAR = 100.0
"""How many times the root mean square of the median column makes one of another scale."""


def measure_input_scales(subject: Subject) -> InputScales:
    """One pass in which the first linear layer is looked for that gets one row of numbers an example, as the data are.

    What nothing learned has touched needs no gradient: an embedding or a norm in between does.
    """
    found: dict[str, tuple[nn.Linear, Tensor]] = {}

    def noting(name: str) -> Any:
        def note(layer: nn.Linear, args: tuple[Any, ...]) -> None:
            x = args[0] if args else None
            if isinstance(x, Tensor) and x.ndim == 2 and len(x) == subject.num_examples and not x.requires_grad:
                found.setdefault(name, (layer, x.detach().clone()))

        return note

    linear = [(name, item) for name, item in subject.model.named_modules() if isinstance(item, nn.Linear)]
    handles = [item.register_forward_pre_hook(noting(name)) for name, item in linear if item.weight.requires_grad]
    try:
        with torch.enable_grad():
            subject.forward()
    finally:
        for handle in handles:
            handle.remove()
    for name, (layer, x) in found.items():
        return _scales(name, layer, x)
    return InputScales()


def _scales(name: str, layer: nn.Linear, x: Tensor) -> InputScales:
    sizes = x.double().square().mean(0).sqrt()
    parts = sizes * layer.weight.detach().double().norm(dim=0)
    if not bool(torch.isfinite(parts).all()):
        return InputScales()
    used = sizes > 0
    median = sizes[used].median() if bool(used.any()) else sizes.new_ones(())
    is_far = sizes > FAR * median
    rest = parts[~is_far].norm().clamp_min(1e-300)
    return InputScales(
        layer=name,
        num_columns=int(used.sum()),
        far=tuple(torch.nonzero(is_far)[:, 0].tolist()),
        size=float(sizes.max()),
        median=float(median),
        contribution=float(parts[is_far].norm() / rest),
    )
