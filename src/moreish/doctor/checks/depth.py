"""Activations and gradients that grow or vanish from layer to layer."""

import math
from itertools import pairwise

from moreish.doctor.checks.check import Check, NotApplicable, Verdict
from moreish.doctor.evidence import Evidence, Site
from moreish.doctor.finding import Finding, Measurement, NotExamined
from moreish.doctor.significance import Level, mean_above, mean_below

FACTOR, FACTOR_OF_SGD = 100.0, 30.0
"""From the first layer to the last; less is made good by any optimiser that adapts its steps, which SGD does not."""
MIN_LAYERS, ENOUGH_LAYERS = 3, 4
"""Layers that make a trend; with fewer than enough each change has to be large, and none may go the other way."""
USUAL, FORGETS = 0.55, 0.4
"""Share of the gradient that PyTorch's cells keep from position to position at the start; and where it matters."""
MIN_ORDER = 0.7
"""Kendall's τ between depth and size."""
MIN_PER_LAYER, MIN_PER_FEW = 1.6, 6.0
"""Geometric mean change from one layer to the next, so that one odd layer does not make a trend."""


def vanishing(evidence: Evidence, level: Level) -> Verdict:
    """Gradients, or activations, shrink by a large factor over the depth of the network."""
    return _trend(evidence, level, "vanishing", -1)


def exploding(evidence: Evidence, level: Level) -> Verdict:
    """Gradients, or activations, grow by a large factor over the depth of the network."""
    return _trend(evidence, level, "exploding", +1)


def _trend(evidence: Evidence, level: Level, name: str, sign: int) -> Verdict:
    found, seen, few = [], False, 0
    factor = FACTOR_OF_SGD if evidence.optimizer == "SGD" else FACTOR
    for number, look in enumerate((look for look in evidence.looks if look.sites is not None), 1):
        layers = [s for s in look.sites or () if s.kind == "linear" and s.parameter is not None and s.num_calls == 1]
        layers = layers[:-1]  # the output layer is scaled for another purpose
        if len(layers) < MIN_LAYERS:
            few = max(few, len(layers))
            continue
        seen = True
        is_few = len(layers) < ENOUGH_LAYERS
        least_change, least_order = (MIN_PER_FEW, 0.99) if is_few else (MIN_PER_LAYER, MIN_ORDER)
        # Gradients travel backwards: they vanish where the first layer's is smaller than the last one's.
        for what, ratios, per_layer, order in (
            ("activations, last layer over first", *_ratios([s.rms for s in layers])),
            ("gradients, first layer over last", *_ratios([s.gradient for s in layers][::-1])),
        ):
            allowed = level.each(2, number)
            p = mean_above([sign * ratio for ratio in ratios], math.log(factor))
            if p < allowed and sign * per_layer > math.log(least_change) and sign * order > least_order:
                value = math.exp(sum(ratios) / len(ratios))
                bound = factor**sign
                measurement = Measurement(
                    f"ratio of {what}", value, 1.0, bound, p, allowed, len(ratios), {"layers": len(layers)}
                )
                found.append(_finding(name, look.step, measurement, layers, math.exp(per_layer)))
                break
    if seen:
        return found
    return NotApplicable(f"{few} hidden layers that follow one another; a trend needs {MIN_LAYERS}")


def _ratios(values: list[tuple[float, ...]]) -> tuple[list[float], float, float]:
    """ln(last/first) in each group of examples; the typical change from layer to layer (median); Kendall's τ of them.

    Layers inside residual branches do not follow one upon the other; they go up and down.
    """
    usable = [groups for groups in values if groups and all(value > 0 and math.isfinite(value) for value in groups)]
    if len(usable) < MIN_LAYERS or len({len(groups) for groups in usable}) > 1:
        return [], 0.0, 0.0
    ratios = [math.log(last / first) for first, last in zip(usable[0], usable[-1], strict=True)]
    means = [sum(math.log(value) for value in groups) / len(groups) for groups in usable]
    changes = sorted(b - a for a, b in pairwise(means))
    pairs = [(b > a) - (b < a) for i, a in enumerate(means) for b in means[i + 1 :]]
    middle = changes[len(changes) // 2] if len(means) >= ENOUGH_LAYERS else sum(changes) / len(changes)
    return ratios, middle, sum(pairs) / len(pairs)


def _finding(name: str, step: int, measurement: Measurement, layers: list[Site], per_layer: float) -> Finding:
    verb = "shrink" if name == "vanishing" else "grow"
    what = measurement.what.removeprefix("ratio of ").split(",")[0]
    return Finding(
        name, "major", f"{layers[0].name} … {layers[-1].name}", step, measurement,
        f"{what.capitalize()} {verb} by a factor of about {max(per_layer, 1 / per_layer):.2g} from layer to layer, "
        "over "
        f"{len(layers)} layers: the layers cannot all learn at one rate.",
        "Scale weights to gain / sqrt(fan_in) (5/3 for tanh, sqrt(2) for ReLU), or put a norm before each "
        "activation, or "
        "add residual connections.",
        "Glorot & Bengio 2010, section 4.2; He et al. 2015, arXiv:1502.01852, section 2.2; He et al. 2016, "
        "arXiv:1512.03385, section 3",
    )  # fmt: skip


def rnn_forgets(evidence: Evidence, level: Level) -> Verdict:
    """The gradient of the last prediction dies within the window, from step to step far faster than in a usual cell."""
    seen = [(look, look.memory) for look in evidence.looks if look.memory is not None]
    if not seen:
        why = evidence.missing.get("memory", "no pass was made for it")
        return NotApplicable(why) if why.startswith("no recurrent cell") else NotExamined("rnn-forgets", why)
    found = []
    for number, (look, memory) in enumerate(seen, 1):
        # From the last position but one back to the middle of the window: further back it may be zero altogether.
        first, last = memory.gradients[len(memory.gradients) // 2], memory.gradients[-2]
        num_steps = len(memory.gradients) - 2 - len(memory.gradients) // 2
        decays = [math.log(max(a, 1e-30) / b) / num_steps for a, b in zip(first, last, strict=True) if b > 0 and a == a]
        allowed = level.each(1, number)
        p = mean_below(decays, math.log(FORGETS))
        if p < allowed:
            kept = math.exp(sum(decays) / len(decays))
            window = len(memory.gradients)
            found.append(
                Finding(
                    "rnn-forgets", "major", memory.cell, look.step,
                    Measurement("share of the gradient that is left after one more position back", kept, USUAL, FORGETS,
                                p, allowed, len(decays), {"positions": window}),
                    f"Going back through time, each position keeps {kept:.2g} of the gradient, so that the last "
                    f"prediction of {window} positions learns from the last few alone.",
                    "Initialise the recurrent weights orthogonally, and an LSTM's forget gate with bias 1; avoid "
                    "saturated gates and cells.",
                    "Bengio, Simard & Frasconi 1994, IEEE Transactions on Neural Networks 5(2); Pascanu, Mikolov & "
                    "Bengio 2013, arXiv:1211.5063; Jozefowicz et al. 2015, ICML (forget gate bias)",
                )
            )  # fmt: skip
    return found


CHECKS = (
    Check("rnn-forgets", (), rnn_forgets),
    Check("exploding", ("sites",), exploding),
    Check("vanishing", ("sites",), vanishing),
)
