"""The three conventions of batch norm that are in use; the gradient is the same in all of them.

| convention | while training, divided by | epsilon | kept for evaluation, over n − 1 | momentum |
|---|---|---|---|---|
| pytorch | the root of the variance over n | 1e-5 | running variance | 0.1 |
| lecture | the root of the variance over n − 1 | 1e-5 | running variance | 0.1 |
| notebook | the standard deviation over n − 1 | none | running standard deviation | 0.001 |

The running value moves by momentum · (batch value − running value).
"""

from typing import NamedTuple

from moreish.recipe import BatchNormConvention


class Convention(NamedTuple):
    """Constants of one convention.

    Attributes:
        correction: the variance that normalises is divided by n − correction.
        epsilon: added to that variance.
        keeps_std: whether a standard deviation is kept for evaluation, instead of a variance; both over n − 1.
        momentum: share of the batch in the new running value.
    """

    correction: int
    epsilon: float
    keeps_std: bool
    momentum: float

    @property
    def spread(self) -> str:
        """Name of the buffer that is kept beside running_mean."""
        return "running_std" if self.keeps_std else "running_var"


CONVENTIONS: dict[BatchNormConvention, Convention] = {
    "pytorch": Convention(correction=0, epsilon=1e-5, keeps_std=False, momentum=0.1),
    "lecture": Convention(correction=1, epsilon=1e-5, keeps_std=False, momentum=0.1),
    "notebook": Convention(correction=1, epsilon=0.0, keeps_std=True, momentum=0.001),
}
