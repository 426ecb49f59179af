"""What a training shows of its inside: activations, gradients and updates at some of its steps.

Plain data: the engines measure it, the loop keeps it with the run (`run.statistics`), plots and findings read it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]


@dataclass(frozen=True)
class LayerStatistics:
    """Of one layer, at each of n measured steps, over the examples, positions and units of its minibatch.

    Gradients are those of the loss, the mean over the minibatch, in nats. A spread (std) has Bessel's correction, as
    torch.std has; of a single number it is NaN.

    Attributes:
        mean, std: of what the layer passes on, (n,): after norm, nonlinearity and dropout; of the head, the logits.
        preactivation_mean, preactivation_std: of what comes into the nonlinearity, (n,); of the head, the logits.
        saturation: share of |tanh| above `moreish.measures.SATURATION_THRESHOLD`, before dropout, (n,); NaN where the
            nonlinearity is another one, or none.
        is_dead: units where the nonlinearity has zero slope at every example and position, dropout aside, (n, H).
        gradient_mean, gradient_std: of the loss's gradient with respect to what the layer passes on, (n,).
    """

    mean: Numbers
    std: Numbers
    preactivation_mean: Numbers
    preactivation_std: Numbers
    saturation: Numbers
    is_dead: NDArray[np.bool_]
    gradient_mean: Numbers
    gradient_std: Numbers

    @property
    def dead_share(self) -> NDArray[np.float64]:
        """Share of dead units, (n,)."""
        return self.is_dead.mean(axis=1)


@dataclass(frozen=True)
class ParameterStatistics:
    """Of one parameter θ, at each of n measured steps; a spread (std) of a single number is NaN.

    Attributes:
        std: of θ before the step, (n,).
        gradient_mean, gradient_std: of the loss's gradient, before clipping and without weight decay, (n,).
        update_std: of Δθ, measured after the step, with all that the optimiser did, (n,).
    """

    std: Numbers
    gradient_mean: Numbers
    gradient_std: Numbers
    update_std: Numbers

    @property
    def update_to_data(self) -> Numbers:
        """std(Δθ)/std(θ), (n,); NaN where θ has no spread."""
        return _ratio(self.update_std, self.std)

    @property
    def gradient_to_data(self) -> Numbers:
        """std(gradient)/std(θ), (n,); NaN where θ has no spread."""
        return _ratio(self.gradient_std, self.std)


@dataclass(frozen=True)
class Statistics:
    """What was measured at n steps of a training.

    Attributes:
        steps: their numbers, rising, (n,); the first step of a training is step 0.
        layers: by name, in the order of the forward pass: "layers.0", …, "head". Empty where n is 0.
        parameters: by the names of the weights: "embedding.weight", "layers.0.linear.weight", …. Empty where n is 0.
    """

    steps: NDArray[np.int64]
    layers: dict[str, LayerStatistics]
    parameters: dict[str, ParameterStatistics]

    def __len__(self) -> int:
        return len(self.steps)

    def before(self, step: int) -> "Statistics":
        """Those of the steps below `step`."""
        num_kept = int(np.searchsorted(self.steps, step))
        return Statistics.from_arrays({name: array[:num_kept] for name, array in self.arrays()})

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """All arrays under the names that they have on disk: "steps", "layers/head/std", "parameters/…/update_std"."""
        yield "steps", self.steps
        for group in ("layers", "parameters"):
            for owner, measured in getattr(self, group).items():
                for field in fields(measured):
                    yield f"{group}/{owner}/{field.name}", getattr(measured, field.name)

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> "Statistics":
        """What `arrays` gave, in the same order."""
        owners: dict[str, dict[str, dict[str, NDArray[Any]]]] = {"layers": {}, "parameters": {}}
        if len(arrays["steps"]):
            for name, array in arrays.items():
                if name != "steps":
                    group, owner, measure = name.split("/")
                    owners[group].setdefault(owner, {})[measure] = array
        return Statistics(
            arrays["steps"],
            {owner: LayerStatistics(**measured) for owner, measured in owners["layers"].items()},
            {owner: ParameterStatistics(**measured) for owner, measured in owners["parameters"].items()},
        )

    @staticmethod
    def from_rows(steps: Sequence[int], rows: Sequence[Mapping[str, Any]]) -> "Statistics":
        """One row for each step: numbers (and `is_dead`, (H,)) under the names of `arrays`."""
        arrays: dict[str, NDArray[Any]] = {"steps": np.array(steps, np.int64)}
        for name in rows[0] if rows else ():
            dtype = np.bool_ if name.endswith("/is_dead") else np.float32
            arrays[name] = np.array([row[name] for row in rows], dtype)
        return Statistics.from_arrays(arrays)

    @staticmethod
    def joined(parts: "Sequence[Statistics]") -> "Statistics":
        """Those of one training, in pieces that follow each other, as one."""
        filled = [dict(part.arrays()) for part in parts if len(part)]
        names = filled[0] if filled else ()
        arrays = {name: np.concatenate([part[name] for part in filled]) for name in names}
        return Statistics.from_arrays({"steps": np.empty(0, np.int64)} | arrays)


def _ratio(numerator: Numbers, denominator: Numbers) -> Numbers:
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)
