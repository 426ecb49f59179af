"""The checks, one family a file: pure functions of evidence, each with the name and the source of what it finds."""

from moreish.doctor.checks import (
    data,
    decay,
    depth,
    fit,
    initialisation,
    input_scales,
    leaks,
    learning,
    loop,
    loss,
    norms,
    output_range,
    parameters,
    rate_too_high,
    rate_too_low,
    training,
    units,
)
from moreish.doctor.checks.check import Check, NotApplicable

ALL_CHECKS: tuple[Check, ...] = (
    *loss.CHECKS,
    *output_range.CHECKS,
    *input_scales.CHECKS,
    *initialisation.CHECKS,
    *parameters.CHECKS,
    *units.CHECKS,
    *depth.CHECKS,
    *norms.CHECKS,
    *leaks.CHECKS,
    *rate_too_high.CHECKS,
    *rate_too_low.CHECKS,
    *decay.CHECKS,
    *training.CHECKS,
    *data.CHECKS,
    *loop.CHECKS,
    *fit.CHECKS,
    *learning.CHECKS,
)

__all__ = ["ALL_CHECKS", "Check", "NotApplicable"]
