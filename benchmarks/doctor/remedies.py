"""From the finding that was named first to another setting: what an engineer would do who believes it.

A remedy sees the setting, as an engineer sees his own code, and the name of the finding; it does not know what was
planted. If the finding is wrong, the wrong thing is changed, and the lost loss stays lost.
"""

from collections.abc import Callable

from benchmarks.doctor.architectures import ARCHITECTURES
from benchmarks.doctor.setting import Setting

Remedy = Callable[[Setting], Setting]


def _draw_again(setting: Setting) -> Setting:
    """The weights drawn by the textbook, whatever they were."""
    return setting.having(initial=(("fresh", None),))


def _plain_norms(setting: Setting) -> Setting:
    return setting.dropping("initial", "stale", "momentum").having(strange_passes_every=None)


def _plain_loss(setting: Setting) -> Setting:
    """Logits from the model, and the loss that belongs to them."""
    return setting.having(loss=ARCHITECTURES[setting.architecture].loss).dropping(
        "wiring", "activate_output", "scale_output"
    )


def _finite(setting: Setting) -> Setting:
    """No logarithm of zero, no row without anything, no NaN in the data; failing these, a tenth of the rate."""
    mended = setting.dropping("wiring", "log").having(broken=0.0)
    if dict(setting.options).get("ahead", 0) < 0:
        mended = mended.dropping("options", "ahead")
    return setting.having(learning_rate=setting.learning_rate / 10) if mended == setting else mended


def _rate(factor: float) -> Remedy:
    """Another rate in all groups, without bursts."""
    return lambda s: s.having(learning_rate=s.learning_rate * factor, bursts=1.0, fast_factor=1.0)


REMEDIES: dict[str, Remedy | tuple[Remedy, ...]] = {
    "initial-loss": lambda s: s.dropping("initial", "excess").adding("initial", scale_head=0.1),
    "symmetric-units": _draw_again,
    "saturated-tanh": _draw_again,
    "stuck-units": _draw_again,
    "dead-relu": _draw_again,
    "vanishing": _draw_again,
    "exploding": _draw_again,
    "rnn-forgets": lambda s: s.dropping("initial", "forget"),
    "attention-scale": lambda s: s.dropping("initial", "scale_attention"),
    "attention-collapse": lambda s: s.dropping("initial", "scale_attention").having(fast_factor=1.0),
    "not-in-optimizer": lambda s: s.having(left_out=None),
    "no-gradient": lambda s: s.dropping("wiring", "detach"),
    "never-moves": lambda s: s.having(resting=None, left_out=None),
    "bias-before-norm": lambda s: s.dropping("options", "biases", "bias_scale"),
    "batch-norm-momentum": _plain_norms,
    "batch-norm-statistics": _plain_norms,
    "batch-norm-of-one": lambda s: s.having(batch=32),
    "evaluated-in-training-mode": lambda s: s.having(is_evaluated_right=True, strange_passes_every=None),
    "trained-in-eval-mode": lambda s: s.having(eval_from=None),
    "dropout-in-evaluation": lambda s: s.dropping("wiring", "always_drop"),
    "gradients-not-cleared": lambda s: s.having(clear_every=1),
    "rate-too-high": (_rate(0.1), _rate(0.01)),
    "rate-too-low": (_rate(1000.0), _rate(10_000.0)),
    "weight-decay": lambda s: s.having(weight_decay=0.0),
    "clipping-binds": lambda s: s.having(clip=None),
    "schedule-not-applied": lambda s: s.having(is_schedule_stepped=True),
    "spikes": _rate(1.0),
    "softmax-twice": _plain_loss,
    "likelihood-of-logits": _plain_loss,
    "loss-summed": lambda s: s.having(loss=ARCHITECTURES[s.architecture].loss),
    "not-finite": _finite,
    "future-leak": lambda s: s.dropping("options", "ahead").dropping("wiring", "peek"),
    "examples-mixed": lambda s: s.dropping("wiring", "mix"),
    "context-unused": lambda s: s.dropping("wiring", "deaf"),
    "output-ignores-input": lambda s: s.dropping("wiring", "blind"),
    "labels-mismatched": lambda s: s.having(scrambled=0.0),
    "inputs-ignored": lambda s: s.having(scrambled=0.0).dropping("wiring", "blind", "mix"),
    "label-in-input": lambda s: s.having(label_offset=1),
    "label-shifted": lambda s: s.having(label_offset=1),
    "split-overlap": lambda s: s.having(overlap=0.0),
    "duplicates": lambda s: s.having(duplicates=0.0, overlap=0.0),
    "not-shuffled": lambda s: s.having(stretches=0),
    "overfitting": lambda s: s.having(num_train=12288, duplicates=0.0),
    "underfitting": lambda s: s.dropping("options", "width"),
}
"""Name of a finding → what to do about it; or several things, of which one tries each and keeps what is best."""


def remedied(setting: Setting, finding: str) -> tuple[Setting, ...]:
    """The settings after the remedy of a finding; the setting itself where there is none."""
    remedy = REMEDIES.get(finding, lambda unchanged: unchanged)
    return tuple(one(setting) for one in (remedy if isinstance(remedy, tuple) else (remedy,)))
