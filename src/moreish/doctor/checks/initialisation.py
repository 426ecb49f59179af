"""Before the first step: a loss above even chances, units that can never differ, tanh that starts saturated."""

import math

from moreish.doctor.branching import untouched_look
from moreish.doctor.checks.check import Check, NotApplicable, Verdict
from moreish.doctor.evidence import Evidence, Look, Loss, Site
from moreish.doctor.finding import Finding, Measurement, NotExamined, Severity
from moreish.doctor.significance import Level, mean_above

LOSS_EXCESS = 0.5
"""Nats above ln V (of yes and no ln 2) from which an initial loss matters: logits of deviation 1 give as much."""
SQUARED_EXCESS = 25.0
"""How many times the squared error of a constant an initial one may be: outputs five times as large as the targets.
Outputs as large as these and independent of them give 2; an output layer of He et al. (deviation √2) over targets that
were not scaled (deviation 0.3) gives 23, and is in use.
"""
GROSS = 100.0
"""The same, from which it costs much: outputs ten times as large as the targets."""
DERAILING = 7.0
"""The initial loss over ln V from which the first gradients throw the whole network away, not its last layer alone."""
OFF_ZERO = 1.0
"""Mean of the targets over their deviation, from which the last bias should begin there."""
SATURATED_NULL = 0.209
"""P(|tanh x| > 0.97) for x ~ N(0, 5/3): the largest gain in use (PyTorch's for tanh). N(0, 1) gives 0.036."""
SATURATED_THRESHOLD = 0.30
CERTAIN = 0.7
"""Sum of the squared shares of a softmax that has decided; weights of deviation 1 give 0.4 over four."""
EARLY = 10
"""Looks after so many steps no longer speak of the initialisation."""


def initial_loss(evidence: Evidence, level: Level) -> Verdict:
    """The mean loss over examples is above ln V by more than chance and more than is harmless."""
    found = []
    early = [(look, look.loss) for look in evidence.looks if look.loss is not None and look.step <= EARLY]
    early = early[:1]
    if not early:
        return NotExamined("initial-loss", "no loss was seen before training")
    for look, loss in early:
        if look.step > 0 and not loss.per_example:
            return NotExamined("initial-loss", "the loss of the untrained network was not seen: use moreish.diagnose")
        is_binary = loss.formula in ("binary cross entropy", "likelihood of probabilities")
        if not loss.num_classes and not is_binary:
            return _initial_error(look, loss, level)
        if len(loss.per_example) < 3 or loss.formula in ("unknown", "likelihood of logits"):
            return NotExamined("initial-loss", "the loss could not be taken apart by example, or under 3 examples")
        chance, of_what = (math.log(2), "yes and no") if is_binary else (loss.chance, f"{loss.num_classes} classes")
        p = mean_above(loss.per_example, chance + LOSS_EXCESS)
        allowed = level.each()
        if p < allowed:
            mean = sum(loss.per_example) / len(loss.per_example)
            measurement = Measurement(
                "initial loss (nats)", mean, chance, chance + LOSS_EXCESS, p, allowed, len(loss.per_example)
            )
            found.append(
                Finding(
                    "initial-loss", _severity(mean / chance), None, look.step, measurement,
                    f"The untrained network is confidently wrong: guessing evenly among {of_what} would cost "
                    f"{chance:.2f} nats, it costs {mean:.2f}. The first steps are spent shrinking the output layer.",
                    "Scale the output layer's weights down (x 0.01, or gain / sqrt(fan_in)) and set its bias to zero. "
                    "With torch: nn.init.normal_(head.weight, std=0.01); nn.init.zeros_(head.bias).",
                    "Karpathy, makemore lecture 3 (initial loss); Glorot & Bengio 2010",
                )
            )  # fmt: skip
    return found


def _severity(times_chance: float) -> Severity:
    return "critical" if times_chance > DERAILING else "major" if times_chance > 2 else "minor"


def _initial_error(look: Look, loss: Loss, level: Level) -> Verdict:
    """Squared errors: above 25 times those of predicting zero, and of predicting the mean, example by example."""
    if not loss.of_zero:
        return NotApplicable("the targets are neither classes nor numbers of the outputs' shape")
    if loss.formula != "squared error":
        what = "was not recognised" if loss.formula == "unknown" else f"is {loss.formula}"
        return NotExamined("initial-loss", f"the loss {what}; of cross entropies and of squared errors it is known "
                           "where they begin")  # fmt: skip
    if len(loss.per_example) < 3:
        return NotExamined("initial-loss", "the loss could not be taken apart by example, or under 3 examples")
    p = max(
        mean_above([own - SQUARED_EXCESS * other for own, other in zip(loss.per_example, constant, strict=True)], 0.0)
        for constant in (loss.of_zero, loss.of_mean)
    )
    allowed = level.each()
    if p >= allowed:
        return []
    error, zero, mean = (sum(items) / len(items) for items in (loss.per_example, loss.of_zero, loss.of_mean))
    constant = max(zero, mean)
    # A mean apart from zero is what the last bias has to find.
    is_off_zero = zero - mean > OFF_ZERO**2 * mean
    begin = f"nn.init.constant_(head.bias, {loss.targets_mean:.3g})" if is_off_zero else "nn.init.zeros_(head.bias)"
    return [
        Finding(
            "initial-loss", "major" if error > GROSS * constant else "minor", None, look.step,
            Measurement("initial squared error", error, constant, SQUARED_EXCESS * constant, p, allowed,
                        len(loss.per_example), {"of predicting 0": zero, "of predicting the mean": mean}),
            f"The untrained network is further off than any constant: predicting 0 would cost {zero:.3g}, the mean of "
            f"the targets {mean:.3g}, it costs {error:.3g}. Its outputs are about {(error / constant) ** 0.5:.2g} "
            "times as large as the targets, and the first steps are spent shrinking them.",
            "Scale the weights down to gain / sqrt(fan_in), those of the output layer further, or the targets up to a "
            f"deviation of 1. With torch: nn.init.normal_(head.weight, std=0.01); {begin}.",
            "Karpathy 2019, A Recipe for Training Neural Networks, 'init well'; Glorot & Bengio 2010",
        )
    ]  # fmt: skip


def symmetric_units(evidence: Evidence, level: Level) -> Verdict:
    """Units with the same weights and the same gradients stay the same for ever."""
    found = []
    for look in evidence.looks:
        for p in look.parameters or ():
            if p.are_units_equal and p.requires_grad:
                measurement = Measurement("different units after the trial steps", 1, max(p.shape[:2]))
                found.append(
                    Finding(
                        "symmetric-units", "critical", p.name, look.step, measurement,
                        "All units of this weight start equal, get equal gradients and stay equal: however wide the "
                        "layer is, it computes one thing." + (" All weights are zero." if p.rms == 0 else ""),
                        f"Initialise it at random: nn.init.kaiming_normal_({p.name}).",
                        "Goodfellow, Bengio & Courville 2016, Deep Learning, section 8.4 (breaking symmetry)",
                    )
                )  # fmt: skip
    return found


def saturated_tanh(evidence: Evidence, level: Level) -> Verdict:
    """More of tanh lies in its flat tails at the start than any well-scaled layer puts there."""
    found, seen = [], False
    look = untouched_look(evidence.looks, EARLY)
    if look is None or look.sites is None:
        return NotExamined("saturated-tanh", "activations were not seen before steps changed much")
    sites = [site for site in look.sites if site.op in ("tanh", "sigmoid") and site.saturated]
    gates = [site for site in look.sites[:-1] if site.kind == "softmax" and not site.relative_entropy]
    for site in sites:
        seen = True
        allowed = level.each(len(sites) + len(gates))
        p = mean_above(site.saturated, SATURATED_THRESHOLD)
        if p < allowed:
            share = sum(site.saturated) / len(site.saturated)
            measurement = Measurement(
                "share of |tanh| > 0.97" if site.op == "tanh" else "share of |sigmoid - 1/2| > 0.47",
                share, SATURATED_NULL, SATURATED_THRESHOLD, p, allowed, site.num_rows,
            )  # fmt: skip
            found.append(
                Finding(
                    "saturated-tanh", "major", site.name, look.step, measurement,
                    f"{share:.0%} of the activations start in the flat tails of {site.op}, where the gradient is "
                    "nearly "
                    "zero: what flows in is too large.",
                    "Scale the weights before it to gain / sqrt(fan_in), with gain 5/3 for tanh, or normalise before "
                    "it: "
                    "nn.init.kaiming_normal_(weight, nonlinearity='tanh').",
                    "Glorot & Bengio 2010, section 3; He et al. 2015, arXiv:1502.01852, section 2.2",
                )
            )  # fmt: skip
    found += [finding for gate in gates if (finding := _certain(gate, look, level.each(len(sites) + len(gates))))]
    if seen or gates:
        return found
    return NotApplicable("no tanh or sigmoid in the forward pass, or inside a fused operation such as nn.LSTM")


def _certain(gate: Site, look: Look, allowed: float) -> Finding | None:
    """A softmax inside the network, such as a gate over experts, that has decided before it has learned."""
    squares = [rms**2 * gate.num_units for rms in gate.rms]  # sums of squared shares: 1/n of even ones, 1 of one-hot
    p = mean_above(squares, CERTAIN)
    if gate.num_units < 2 or p >= allowed:
        return None
    return Finding(
        "saturated-tanh", "major", gate.name, look.step,
        Measurement("sum of the squared shares of a softmax", sum(squares) / len(squares), 1 / gate.num_units, CERTAIN,
                    p, allowed, gate.num_rows),
        f"Untrained, this softmax over {gate.num_units} gives nearly all to one, and hardly passes a gradient: what "
        "flows in is too large.",
        "Scale the weights before it to 1 / sqrt(fan_in), or begin with zeros: nn.init.zeros_(gate.weight).",
        "Shazeer et al. 2017, arXiv:1701.06538, section 2.1 and appendix A (gates that begin even)",
    )  # fmt: skip


CHECKS = (
    Check("initial-loss", ("loss",), initial_loss),
    Check("symmetric-units", ("parameters",), symmetric_units, tests=False),
    Check("saturated-tanh", ("sites",), saturated_tanh),
)
