"""The faults: what each plants at three severities, what it should be called, and where it makes sense.

A severity is the same in all networks of the first two parts, but the harm that it does there is not; the networks of
the parts after have some of their own (`parts/*/faults.py`). A fault is *wrong by construction* (gradients that are not
cleared are wrong even where little harm comes of it), or else a training with it counts only where it ended worse than
its healthy twin by twice the effect that is worth speaking of (`is_harmful`). At once the effect, it would be a toss
whether a fair judge speaks. What lies between has a row of its own in the table.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.doctor.architectures import ARCHITECTURES
from benchmarks.doctor.parts.fifth.faults import FIFTH
from benchmarks.doctor.parts.fourth.faults import FOURTH
from benchmarks.doctor.parts.third.faults import THIRD
from benchmarks.doctor.setting import Setting, healthy

NUM_SEEDS = 5
EFFECT_NATS, EFFECT_SHARE = 0.05, 0.10
"""A final loss that is higher by so many nats (classes), or by this share (squared error), is an effect."""
HARM = 2
"""A harm is so many times as large."""


def _long(setting: Setting, _: Any) -> Setting:
    """Long enough for what is judged by three looks that double their steps from 100 on."""
    return setting.having(steps=410)


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        name: of the fault; not of a finding.
        expected: names of findings that state its cause; any of them counts.
        plant: a healthy setting and one of `severities` → the faulty setting.
        severities: three amounts, the mildest first.
        architectures: the networks of the first two parts in which it is planted.
        by_construction: whether it is wrong without any harm having to be shown.
        base: a healthy setting and the severity → the healthy twin.
    """

    name: str
    expected: tuple[str, ...]
    plant: Callable[[Setting, Any], Setting]
    severities: tuple[Any, Any, Any]
    architectures: tuple[str, ...]
    by_construction: bool = False
    base: Callable[[Setting, Any], Setting] = lambda setting, _: setting

    @property
    def networks(self) -> dict[str, tuple[Any, Any, Any]]:
        """Where it is planted, in all parts → three amounts, the mildest first."""
        later = THIRD.get(self.name, {}) | FOURTH.get(self.name, {}) | FIFTH.get(self.name, {})
        own = {name: amounts or self.severities for name, amounts in later.items()}
        return dict.fromkeys(self.architectures, self.severities) | own


def initial(name: str) -> Callable[[Setting, Any], Setting]:
    return lambda setting, amount: setting.adding("initial", **{name: amount})


def wiring(name: str) -> Callable[[Setting, Any], Setting]:
    return lambda setting, amount: setting.adding("wiring", **{name: amount})


def option(name: str) -> Callable[[Setting, Any], Setting]:
    return lambda setting, amount: setting.adding("options", **{name: amount})


def field(name: str) -> Callable[[Setting, Any], Setting]:
    return lambda setting, amount: setting.having(**{name: amount})


def fields(**values: Any) -> Callable[[Setting, Any], Setting]:
    """Fields that change together; a function among the values is called with setting and severity."""
    return lambda setting, amount: setting.having(
        **{name: value(setting, amount) if callable(value) else value for name, value in values.items()}
    )


def _softmax_twice(setting: Setting, how: str | float) -> Setting:
    """Softmax (of answers yes or no, sigmoid) in the model, or in a loss that is given logits of that scale."""
    is_yes_or_no = setting.loss == "yes or no"
    if how == "in the model":
        return setting.adding("wiring", activate_output="sigmoid" if is_yes_or_no else "softmax")
    return setting.having(loss="yes or no, of sigmoid" if is_yes_or_no else "of softmax").adding(
        "wiring", scale_output=how
    )


def _summed(setting: Setting, _: Any) -> str:
    return "sum" if setting.loss == "mean" else f"{setting.loss}, sum"


FAULTS: tuple[Fault, ...] = (
    # Initialisation
    Fault("confident output layer", ("initial-loss",), initial("excess"), (1.0, 4.0, 15.0),
          ("mlp", "gpt", "house hierarchical", "gru", "mixer", "rescnn", "rnn", "vit", "separable", "house deep")),
    Fault("equal units", ("symmetric-units",), initial("constant"), ("last", "body", "all"),
          ("mlp", "deep", "cnn", "lstm", "gru", "tanhnet", "tagger", "tabular")),
    Fault("saturated units", ("saturated-tanh", "stuck-units"), initial("saturate"), (4.0, 10.0, 40.0),
          ("mlp", "house mlp", "house hierarchical", "tanhnet", "rnn", "house deep")),
    Fault("units pinned to one side", ("stuck-units", "saturated-tanh"), initial("pin"), (0.2, 0.5, 0.9),
          ("mlp", "house mlp", "house hierarchical", "tanhnet", "house deep")),
    Fault("dead units", ("dead-relu",), initial("silence"), (0.2, 0.5, 0.9),
          ("deep", "regressor", "cnn", "rescnn", "separable", "tabular")),
    Fault("small weights in depth", ("vanishing",), initial("slope"), (1 / 200, 1 / 2e3, 1e-5),
          ("deep", "regressor", "tanhnet", "tabular")),
    Fault("large weights in depth", ("exploding",), initial("slope"), (200.0, 2e3, 1e5),
          ("deep", "regressor", "tabular")),
    Fault("sharp attention", ("attention-scale", "attention-collapse"), initial("scale_attention"), (4.0, 10.0, 40.0),
          ("gpt", "llama")),
    Fault("recurrence that forgets", ("rnn-forgets",), initial("forget"), (0.4, 0.25, 0.1), ("elman", "rnn"),
          base=_long),
    # Parameters and norms
    Fault("optimiser lacks a layer", ("not-in-optimizer",), field("left_out"), ("embed", "head", "body"),
          ("mlp", "house mlp", "gru", "llama"), by_construction=True),
    Fault("gradient cut off", ("no-gradient",), wiring("detach"), ("embed", "body", "rounded"),
          ("mlp", "lstm", "house hierarchical", "gru", "tagger", "rnn"), by_construction=True),
    Fault("group with rate zero", ("never-moves",), field("resting"), ("embed", "head", "body"),
          ("mlp", "lstm", "house mlp", "gru", "tagger", "rnn"), by_construction=True),
    Fault("bias before batch norm", ("bias-before-norm",), option("biases"), (1, 2, 3), ("cnn", "rescnn", "separable"),
          by_construction=True),
    Fault("bias before our batch norm", ("bias-before-norm",),
          lambda s, scale: s.adding("options", biases=True, bias_scale=scale), (0.0, 1.0, 3.0),
          ("house mlp", "house deep"), by_construction=True),
    Fault("batch norm without momentum", ("batch-norm-momentum",),
          lambda s, count: s.adding("initial", momentum=(0.0, count)), (1, 2, 3), ("cnn", "rescnn", "separable"),
          by_construction=True),
    Fault("stale running statistics", ("batch-norm-statistics",), initial("stale"), (2.0, 5.0, 20.0),
          ("cnn", "separable")),
    Fault("batch norm of one", ("batch-norm-of-one",),
          fields(batch=1, examined=1), (1, 3, 5), ("deep", "regressor", "tanhnet", "tabular"), by_construction=True,
          base=lambda s, count: s.adding("options", norms=count)),
    # Modes
    Fault("trained in evaluation mode", ("trained-in-eval-mode",), field("eval_from"), (60, 20, 0),
          ("cnn", "house mlp", "house hierarchical", "house deep"), by_construction=True),
    Fault("evaluated in training mode", ("evaluated-in-training-mode",),
          fields(is_evaluated_right=False, evaluate_every=lambda _, steps: steps), (40, 10, 2),
          ("cnn", "house mlp", "house hierarchical", "rescnn", "house deep"), by_construction=True),
    Fault("strange data in training mode", ("batch-norm-statistics", "evaluated-in-training-mode"),
          field("strange_passes_every"), (20, 8, 2),
          ("house mlp", "house hierarchical", "separable", "house deep")),
    Fault("dropout in evaluation", ("dropout-in-evaluation",), wiring("always_drop"), (0.1, 0.3, 0.6),
          ("mlp", "lstm", "gpt", "gru", "tagger", "tabular"), by_construction=True),
    # Optimiser and loop
    Fault("gradients not cleared", ("gradients-not-cleared",), field("clear_every"), (3, 10, 0),
          ("mlp", "regressor", "lstm", "house mlp", "gru", "tanhnet", "tagger", "resmlp", "tabular"),
          by_construction=True),
    Fault("rate too high", ("rate-too-high",), fields(learning_rate=lambda s, factor: s.learning_rate * factor),
          (10.0, 30.0, 100.0),
          ("mlp", "regressor", "lstm", "gpt", "house mlp", "rescnn", "tanhnet", "separable", "resmlp", "tabular"),
          base=_long),
    Fault("rate too low", ("rate-too-low",), fields(learning_rate=lambda s, factor: s.learning_rate / factor),
          (2e3, 6e3, 2e4), ("mlp", "regressor", "house mlp", "tanhnet", "resmlp", "tabular"), base=_long),
    Fault("weight decay too strong", ("weight-decay",),
          fields(weight_decay=lambda s, share: share / s.learning_rate), (0.03, 0.1, 0.3),
          ("mlp", "regressor", "tanhnet", "resmlp", "tabular"), base=_long),
    Fault("clipping too tight", ("clipping-binds",), field("clip"), (0.03, 0.01, 0.003),
          ("mlp", "regressor", "tanhnet", "tabular"), base=_long),
    Fault("warm-up that never moves", ("schedule-not-applied",),
          fields(schedule="warmup", is_schedule_stepped=False, schedule_start=lambda _, start: start),
          (0.05, 0.01, 0.001), ("mlp", "lstm", "gru", "resmlp"), by_construction=True),
    Fault("bursts of the rate", ("spikes", "rate-too-high"), field("bursts"), (30.0, 100.0, 300.0),
          ("mlp", "regressor", "lstm", "tanhnet", "resmlp"),
          base=lambda s, _: s.having(steps=240)),
    Fault("attention trained too fast", ("attention-collapse", "attention-scale", "rate-too-high"),
          fields(fast="attention", fast_factor=lambda _, factor: factor), (30.0, 100.0, 300.0), ("gpt", "llama", "vit"),
          base=_long),
    # Loss
    Fault("softmax before the loss", ("softmax-twice",),
          _softmax_twice,
          ("in the model", 1.0, 3.0), ("mlp", "house hierarchical", "gru", "rnn", "tagger"), by_construction=True),
    Fault("likelihood of what is no logarithm", ("likelihood-of-logits",),
          lambda s, how: (s if how == "logits" else s.adding("wiring", activate_output=how)).having(loss="likelihood"),
          ("softmax", "sigmoid", "logits"), ("mlp", "lstm", "gru", "tagger"),
          by_construction=True),
    Fault("loss summed", ("loss-summed",), fields(loss=_summed), (8, 32, 128),
          ("mlp", "regressor", "lstm", "gru", "tanhnet", "tagger", "resmlp", "tabular"), by_construction=True,
          base=lambda s, batch: s.having(batch=batch)),
    Fault("logarithm of zero", ("not-finite",), wiring("log"), (0.05, 0.3, 1.0),
          ("deep", "regressor", "rescnn", "tabular")),
    Fault("attention that sees nothing", ("not-finite",), option("ahead"), (-1, -2, -3), ("gpt",)),
    Fault("inputs that are not numbers", ("not-finite",), field("broken"), (0.003, 0.01, 0.1),
          ("regressor", "tanhnet", "resmlp")),
    # Wiring
    Fault("attention without its mask", ("future-leak",), option("ahead"), (1, 2, 8), ("gpt", "llama"),
          by_construction=True),
    Fault("convolutions padded on both sides", ("future-leak",), option("ahead"), (1, 2, 3), ("tcn",),
          by_construction=True),
    Fault("features of the future", ("future-leak",), wiring("peek"), (1, 3, 6), ("lstm", "gru", "tcn"),
          by_construction=True),
    Fault("rows of the batch mixed", ("examples-mixed",), wiring("mix"), ("embed", "body", "head"),
          ("mlp", "lstm", "house mlp", "gru"), by_construction=True),
    Fault("context cut off", ("context-unused",), wiring("deaf"), (2, 4, 7),
          ("mlp", "lstm", "house hierarchical", "gru", "tagger", "rnn"), by_construction=True),
    Fault("input multiplied by zero", ("output-ignores-input",), wiring("blind"), ("embed", "body", "head"),
          ("mlp", "lstm", "house mlp", "gru", "mixer", "tcn", "rnn"), by_construction=True),
    # Data
    Fault("labels in another order than inputs", ("inputs-ignored", "labels-mismatched"), field("scrambled"),
          (0.9, 0.95, 1.0),
          ("mlp", "lstm", "gru", "tabular"), base=_long),
    Fault("label is an input", ("label-in-input",), field("label_offset"), (-2, -1, 0),
          ("mlp", "house hierarchical", "gru", "house deep"), by_construction=True),
    Fault("label of a later place", ("label-shifted",), field("label_offset"), (2, 3, 5),
          ("mlp", "house hierarchical", "gru", "rnn", "house deep"), by_construction=True),
    Fault("validation stands in training", ("split-overlap", "duplicates"), field("overlap"), (0.12, 0.4, 1.0),
          ("mlp", "regressor", "house mlp", "gru", "tanhnet", "tcn", "resmlp", "tabular"), by_construction=True),
    Fault("training full of copies", ("duplicates", "overfitting"), field("duplicates"), (0.97, 0.98, 0.99),
          ("mlp", "regressor", "lstm", "gru", "tanhnet", "resmlp", "tabular")),
    Fault("data in the order of labels", ("not-shuffled",), field("stretches"),
          (16, 4, 1), ("mlp", "cnn", "house mlp", "rescnn", "mixer", "separable", "tabular", "house deep")),
    # Capacity
    Fault("small training set", ("overfitting",), field("num_train"), (128, 64, 32),
          ("mlp", "regressor", "house mlp", "tanhnet", "resmlp", "tabular"), base=_long),
    Fault("bottleneck", ("underfitting",), option("width"), (3, 2, 1),
          ("mlp", "regressor", "lstm", "tanhnet", "rnn", "resmlp", "tabular"),
          base=lambda s, _: s.having(steps=1610)),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One faulty training and its healthy twin: the same seed and batches, without what was planted."""

    fault: Fault
    severity: int
    setting: Setting
    twin: Setting


def cases(num_seeds: int = NUM_SEEDS) -> Iterator[Case]:
    """All of them."""
    for fault in FAULTS:
        for name, amounts in fault.networks.items():
            for seed in range(num_seeds):
                for severity, amount in enumerate(amounts, 1):
                    twin = fault.base(healthy(name, seed), amount)
                    yield Case(fault, severity, fault.plant(twin, amount), twin)


def effect(setting: Setting, loss: float) -> float:
    """How much higher than this loss another one must be to be worth speaking of."""
    return EFFECT_SHARE * loss if ARCHITECTURES[setting.architecture].is_squared else EFFECT_NATS


def has_effect(setting: Setting, loss: float, twin_loss: float, times: float = 1) -> bool:
    """Whether the loss is higher than the healthy twin's, by so many times what is worth speaking of."""
    return loss - twin_loss > times * effect(setting, twin_loss)


def is_harmful(setting: Setting, loss: float, twin_loss: float) -> bool:
    """Whether the final loss is really worse than the healthy twin's: by twice what is worth speaking of."""
    return has_effect(setting, loss, twin_loss, HARM)
