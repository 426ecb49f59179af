"""Whether a schedule of the learning rate is attached to an optimiser, and how often it stepped."""

import gc

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


def has_scheduler(optimizer: Optimizer) -> bool:
    """PyTorch's schedulers leave the rate that they start from in every group."""
    return any("initial_lr" in group for group in optimizer.param_groups)


def scheduler_steps(optimizer: Optimizer) -> int | None:
    """Steps of the schedulers that hold this optimiser, all together; None where none is alive.

    The optimiser does not know its schedulers, so whoever refers to it is asked; some 20 ms.
    """
    holders = [item for item in gc.get_referrers(optimizer) if isinstance(item, LRScheduler)]
    holders += [item for item in gc.get_referrers(*_dictionaries(optimizer)) if isinstance(item, LRScheduler)]
    return sum(max(int(item.last_epoch), 0) for item in holders) if holders else None


def _dictionaries(optimizer: Optimizer) -> list[dict[str, object]]:
    """Dictionaries of attributes that refer to the optimiser: Python keeps those of some objects apart."""
    return [item for item in gc.get_referrers(optimizer) if isinstance(item, dict)]
