"""Columns of the inputs that are so much larger than the others that the first layer sees nothing else."""

from moreish.doctor.checks.check import Check, NotApplicable, Verdict
from moreish.doctor.evidence import Evidence
from moreish.doctor.finding import Finding, Measurement
from moreish.doctor.significance import Level

DROWNS = 30.0
"""How many times what all other columns bring into the first layer together makes them inaudible."""
GROSS = 100.0
"""The same, from which it costs much."""
MIN_COLUMNS = 3
"""Columns that a median can be taken of."""
_NAMED = 3


def inputs_unscaled(evidence: Evidence, level: Level) -> Verdict:
    """A few columns are a hundred times as large as the median one, and drown the others in the first layer."""
    seen = [(look, look.input_scales) for look in evidence.looks if look.input_scales is not None]
    seen = [(look, scales) for look, scales in seen if scales.num_columns >= MIN_COLUMNS]
    if not seen:
        return NotApplicable("no linear layer gets rows of numbers as the data have them")
    found = []
    for look, scales in seen:
        if scales.contribution <= DROWNS:
            continue
        names = ", ".join(map(str, scales.far[:_NAMED])) + (", …" if len(scales.far) > _NAMED else "")
        columns = f"column {names} is" if len(scales.far) == 1 else f"columns {names} are"
        layer = scales.layer or "the first layer"
        found.append(
            Finding(
                "inputs-unscaled", "major" if scales.contribution > GROSS else "minor", scales.layer, look.step,
                Measurement("what they bring into the first layer over what all other columns do", scales.contribution,
                            1, details={"root mean square of the largest": scales.size,
                                        "of the median column": scales.median}),
                f"Of {scales.num_columns} columns that go into {layer}, {columns} of another "
                f"scale: root mean square {scales.size:.3g} beside {scales.median:.3g} of the median column. The layer "
                "sees nothing of the others, and no learning rate fits both.",
                "Standardise each column by the mean and deviation of the training set, and take the logarithm of "
                "amounts that span decades; or begin with nn.BatchNorm1d.",
                "LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 4.3 (normalizing the inputs)",
            )
        )  # fmt: skip
    return found


CHECKS = (Check("inputs-unscaled", ("input_scales",), inputs_unscaled, tests=False),)
