"""What was seen at one step, section by section."""

from dataclasses import dataclass

from moreish.doctor.evidence.examples import InputScales
from moreish.doctor.evidence.loss import Loss, Wiring
from moreish.doctor.evidence.network import BatchNorm, Coupling, Graph, Memory, Narrow, Parameter, Site
from moreish.doctor.evidence.steps import Rates, Update


@dataclass(frozen=True)
class Look:
    """What was seen at one step. `step` 0 is before training."""

    step: int
    sites: tuple[Site, ...] | None = None
    parameters: tuple[Parameter, ...] | None = None
    loss: Loss | None = None
    coupling: Coupling | None = None
    norms: tuple[BatchNorm, ...] | None = None
    updates: tuple[Update, ...] | None = None
    rates: Rates | None = None
    memory: Memory | None = None
    train_losses: tuple[float, ...] | None = None
    validation_losses: tuple[float, ...] | None = None
    in_training_mode: bool | None = None
    graph: Graph | None = None
    wiring: Wiring | None = None
    narrow: Narrow | None = None
    input_scales: InputScales | None = None
