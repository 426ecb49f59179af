"""Units that no longer learn: ReLU that is zero for every input, tanh stuck at one end; and attention too sharp."""

from itertools import pairwise

from moreish.doctor.branching import untouched_look
from moreish.doctor.checks.check import Check, NotApplicable, Verdict
from moreish.doctor.checks.standing import differences, is_loss_of
from moreish.doctor.evidence import Evidence, Site
from moreish.doctor.finding import Finding, Measurement, NotExamined
from moreish.doctor.significance import Level, count_above, mean_above, mean_below

ALIVE = 0.005
"""A unit that answers at least this share of different inputs is sparse, not dead."""
DEAD_THRESHOLD = 1 / 6
"""Share of a layer's units, as counted, from which dead ones matter; the test is against all of them being sparse."""
ENTROPY_NULL = 0.9
"""Relative entropy of attention with scores of standard deviation 1 (log-normal weights: 1 - 1/(2 ln n), n = 128)."""
ENTROPY_THRESHOLD = 0.6
COLLAPSED, EVEN = 0.03, 1e-6
"""Relative entropy, over all heads, from which they are one-hot; and what it may lack where all is even."""
EARLY = 10
AHEAD, SURE = 0.1, 0.01
"""Nats by which a network is ahead of a simple model, and the chance that it is not: it silences, so it spends no α."""


def dead_relu(evidence: Evidence, level: Level) -> Verdict:
    """More units than chance allows were zero for every one of the different inputs seen."""
    return _dead(
        evidence, level, "dead-relu", ("relu", "clamp_min"),
        "are zero for every input seen, so that no gradient reaches their weights: they cannot recover.",
        "Initialise with gain sqrt(2) / sqrt(fan_in) and zero bias, lower the learning rate, or use GELU or leaky "
        "ReLU.",
        "Lu et al. 2019, arXiv:1903.06733 (dying ReLU); He et al. 2015, arXiv:1502.01852, section 2.2",
    )  # fmt: skip


def stuck_tanh(evidence: Evidence, level: Level) -> Verdict:
    """More units than chance allows were in the same flat tail for every input."""
    return _dead(
        evidence, level, "stuck-units", ("tanh", "sigmoid"),
        "are saturated on the same side for every input seen: they are constants, and hardly get a gradient.",
        "Scale the weights before it to (5/3) / sqrt(fan_in), lower the learning rate, or normalise before it.",
        "Glorot & Bengio 2010, section 3; Karpathy, makemore lecture 3 (dead tanh)",
    )  # fmt: skip


def _dead(
    evidence: Evidence, level: Level, name: str, ops: tuple[str, ...], what: str, remedy: str, source: str
) -> Verdict:
    found, seen = [], False
    few, few_at = 0, 0  # different inputs of a layer that were too few, and the step of that look
    for number, look in enumerate((look for look in evidence.looks if look.sites is not None), 1):
        sites = [site for site in look.sites or () if site.op in ops and site.num_units > 1]
        allowed = level.each(len(sites) + 1, number)  # each layer by itself, and all together
        counts = [site.num_dead if name == "dead-relu" else site.num_stuck for site in sites]
        # A unit alive on a share ALIVE of the inputs is missed by all of them with this chance.
        chances = [(1 - ALIVE) ** site.num_distinct for site in sites]
        known = [chance for chance, site in zip(chances, sites, strict=True) if site.num_distinct]
        total = count_above(sum(counts), sum(site.num_units for site in sites), max(known, default=1.0))
        for site, num_dead, chance in zip(sites, counts, chances, strict=True):
            seen = True
            p = count_above(num_dead, site.num_units, chance)
            if p >= allowed and num_dead > chance * site.num_units:
                p = total
            if p < allowed and num_dead >= DEAD_THRESHOLD * site.num_units:
                share = num_dead / site.num_units
                measurement = Measurement(
                    "share of units", share, 0.0, DEAD_THRESHOLD, p, allowed, site.num_rows, {"units": site.num_units}
                )
                found.append(
                    Finding(
                        name, "major" if share > 0.3 else "minor", site.name, look.step, measurement,
                        f"{num_dead} of {site.num_units} units {what}", remedy, source,
                    )
                )  # fmt: skip
            elif chance > 0.5 and num_dead > DEAD_THRESHOLD * site.num_units and site.num_distinct > few:
                few, few_at = site.num_distinct, look.step
    if not seen:
        return NotApplicable(f"no {' or '.join(ops[:2])} in the forward pass")
    if few and not found:
        inputs = "one input" if few == 1 else f"{few} different inputs"
        where = f"the minibatch at step {few_at}" if few_at else "the batch that was handed in"
        return NotExamined(name, f"{inputs} of {where} cannot tell a dead unit from a sparse one; 1,000 can")
    return found


def attention_scale(evidence: Evidence, level: Level) -> Verdict:
    """Untrained attention looks at one position almost alone: its scores are too large."""
    look = untouched_look(evidence.looks, EARLY)
    if look is None or look.sites is None:
        return NotExamined("attention-scale", "attention was not seen before steps changed much")
    sites: list[Site] = [site for site in look.sites if len(site.relative_entropy) >= 3]
    if not sites:
        return NotApplicable("no attention weights in the forward pass")
    found = []
    for site in sites:
        allowed = level.each(len(sites))
        p = mean_below(site.relative_entropy, ENTROPY_THRESHOLD)
        if p < allowed:
            mean = sum(site.relative_entropy) / len(site.relative_entropy)
            measurement = Measurement(
                "entropy of the attention weights over the largest possible", mean, ENTROPY_NULL, ENTROPY_THRESHOLD,
                p, allowed, len(site.relative_entropy),
            )  # fmt: skip
            found.append(
                Finding(
                    "attention-scale", "major", site.name, look.step, measurement,
                    "Untrained attention already looks at hardly more than one position: the scores are so large that "
                    "softmax saturates and its gradient dies.",
                    "Divide the scores by sqrt(head size), and initialise query and key weights with std 1 / "
                    "sqrt(width).",
                    "Vaswani et al. 2017, arXiv:1706.03762, section 3.2.1",
                )
            )  # fmt: skip
    return found


def attention_collapse(evidence: Evidence, level: Level) -> Verdict:
    """Attention in training looks at one position alone, or at all alike to the last digit, look after look.

    In a network that is ahead of a simple model it may.
    """
    looks = [look for look in evidence.looks if look.sites is not None and look.step > EARLY]
    if len(looks) < 2:
        return NotExamined("attention-collapse", "it takes two looks in training")
    if not any(site.relative_entropy for look in looks for site in look.sites or ()):
        return NotApplicable("no attention weights in the forward pass")
    if _is_ahead(evidence):
        return []  # whoever aligns one place with another looks at one alone, and is right
    found = []
    for number, (earlier, look) in enumerate(pairwise(looks), 1):
        before = {site.name: site for site in earlier.sites or () if len(site.relative_entropy) >= 3}
        sites = [site for site in look.sites or () if site.name in before and len(site.relative_entropy) >= 3]
        for site in sites:
            groups = (before[site.name].relative_entropy, site.relative_entropy)
            allowed = level.each(len(sites), number)
            p = max(mean_below(values, COLLAPSED) for values in groups)
            is_even = all(min(values) > 1 - EVEN for values in groups)
            if p >= allowed and not is_even:
                continue
            mean = sum(site.relative_entropy) / len(site.relative_entropy)
            what = "entropy of the attention weights over the largest possible"
            found.append(
                Finding(
                    "attention-collapse", "major", site.name, look.step,
                    Measurement(what, mean, 1.0 - EVEN, None if is_even else COLLAPSED, None if is_even else p,
                                None if is_even else allowed, len(site.relative_entropy)),
                    "All positions get the same weight, to the last digit: queries or keys are constant, and no "
                    "gradient reaches them." if is_even else
                    "Each position looks at a single other one, in every head: softmax is saturated, and its gradient "
                    "has died.",
                    "Initialise query and key weights at random, not at zero." if is_even else
                    "Lower the learning rate or warm it up, normalise queries and keys, and divide the scores by "
                    "sqrt(head size).",
                    "Zhai et al. 2023, arXiv:2303.06296 (attention entropy collapse)",
                )
            )  # fmt: skip
    return found


def _is_ahead(evidence: Evidence) -> bool:
    """Whether the network has learned more than the simple model of the inputs, at the last look."""
    reference = evidence.reference
    losses = next((look.train_losses for look in reversed(evidence.looks) if look.train_losses), None)
    if reference is None or not losses or len(losses) != len(reference.losses) or not is_loss_of(evidence, reference):
        return False
    return mean_above(differences(reference.losses, losses), AHEAD * reference.unit) < SURE


CHECKS = (
    Check("attention-collapse", ("sites",), attention_collapse),
    Check("dead-relu", ("sites",), dead_relu),
    Check("stuck-units", ("sites",), stuck_tanh),
    Check("attention-scale", ("sites",), attention_scale),
)
