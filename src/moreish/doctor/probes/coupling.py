"""Which inputs reach which outputs: one input is exchanged, and the outputs that change are counted.

Works on any module, with numbers or ids, without gradients. Both passes have the same shapes and the same random
state, so that what does not depend on the exchanged input stays equal: bit for bit, or but for rounding where a pass
is not repeated bit for bit.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from moreish.doctor import restore
from moreish.doctor.evidence import Coupling
from moreish.doctor.probes.nodes import links
from moreish.doctor.probes.norms import batch_norms
from moreish.doctor.probes.outputs import LEAK, Output, outputs_of
from moreish.doctor.subject import Subject
from moreish.errors import MoreishError

MAX_POSITIONS = 12
MAX_COLUMNS = 64  # of ids that are exchanged for others of their own column, each by itself
_NORMAL = {"randn", "randn_like", "normal", "normal_"}


class UnclearError(Exception):
    """Outputs or inputs have no form in which examples can be told apart; the message says which."""


@torch.no_grad()
def measure_coupling(subject: Subject) -> Coupling:
    """Exchange examples and positions, in evaluation mode. The caller puts modes and random states back.

    Raises:
        UnclearError: it cannot be told which output belongs to which example.
    """
    subject.model.eval()
    n = subject.num_examples
    if n < 2:
        raise UnclearError("the batch has one example; pass at least two")
    if _time_comes_first(subject):
        raise UnclearError("the first axis of the inputs counts positions, not examples; pass (examples, positions)")
    base = _run(subject, {}, seed=1)
    predictions = base[0]
    again = _run(subject, {}, seed=2)
    repeats = not predictions.largest_change(again[0]) > LEAK * predictions.scale  # nor where outputs are not finite
    # What is summed in any order, as some operations do on GPUs, differs in rounding.
    differences = [before.largest_change(after) for before, after in zip(base, again, strict=False)]
    noises = [noise if noise <= LEAK * item.scale else 0.0 for noise, item in zip(differences, base, strict=False)]
    others, own = 0.0, False
    for example in sorted({0, n // 2}):
        exchanged = _run(subject, _other_example(subject, example), seed=1)
        for before, after in zip(_with_examples(base), exchanged, strict=False):
            is_own, touched = before.touched(after, example)
            own |= is_own
            others = max(others, float(touched.sum()) / (n - 1))
    if not own and batch_norms(subject.model):  # untrained, their running statistics may let everything fade
        own = _changes_in_training(subject)
    first = next(iter(subject.named_inputs))
    context = _context(subject.named_inputs[first])
    num_positions = predictions.values.shape[1]
    earlier, earlier_position = 0.0, -1
    positions = _spread(context)
    reaching = []
    for position in positions:
        after = _run(subject, {first: _exchanged(subject.named_inputs[first], None, position)}, seed=1)
        reaching.append(_has_changed(_with_examples(base), after, noises))
        if num_positions == context and position:
            change = predictions.change(after[0])
            before = float(change[:, :position].max()) / predictions.scale
            if before > earlier:
                earlier, earlier_position = before, position
    return Coupling(
        num_positions=num_positions,
        context=context,
        is_next_symbol=_is_next_symbol(subject),
        others=others,
        own=own,
        earlier=earlier if earlier > LEAK else 0.0,
        earlier_position=earlier_position,
        reaching=tuple(reaching),
        positions=tuple(positions),
        deaf_inputs=_deaf_inputs(subject, base, noises),
        repeats=repeats,
        is_sampled=not repeats and _is_sampled(subject, LEAK * predictions.scale),
        batch_statistics=_batch_statistics(subject.model),
        links=links(subject),
    )


class _WithoutNoise(TorchFunctionMode):
    """Draws from a normal distribution are zeros."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        return out.zero_() if getattr(func, "__name__", "") in _NORMAL else out


def _is_sampled(subject: Subject, noise: float) -> bool:
    """Whether such draws alone make two passes differ: dropout draws otherwise."""
    with _WithoutNoise():
        first, second = (_run(subject, {}, seed)[0] for seed in (1, 2))
    return first.largest_change(second) <= noise


def _changes_in_training(subject: Subject) -> bool:
    """Whether outputs change with an example where batch norms go by the batch."""
    subject.model.train()
    base = _run(subject, {}, seed=1)
    after = _run(subject, _other_example(subject, 0), seed=1)
    subject.model.eval()
    return _has_changed(_with_examples(base), after, [LEAK * item.scale for item in base])


def _other_example(subject: Subject, example: int) -> dict[str, Tensor]:
    """One example exchanged in all inputs that hold numbers or symbols; masks stay."""
    exchanged = {}
    for name, values in subject.named_inputs.items():
        if values.dtype != torch.bool and (values.is_floating_point() or int(values.min()) != int(values.max())):
            exchanged[name] = _exchanged(values, example, None)
    if not exchanged:
        raise UnclearError("all inputs are the same symbol")
    return exchanged


def _deaf_inputs(subject: Subject, base: list[Output], noises: list[float]) -> tuple[str, ...]:
    """Of several inputs those of which no output depends on; not even one that holds no examples, as a loss."""
    names = list(subject.named_inputs)
    if len(names) < 2:
        return ()
    return tuple(subject.spoken(name) for name in names if _is_deaf(subject, name, base, noises))


def _is_deaf(subject: Subject, name: str, base: list[Output], noises: list[float]) -> bool:
    """Whether no output changes when an input is exchanged throughout."""
    values = subject.named_inputs[name]
    if values.dtype == torch.bool or bool((values == values.flatten()[0]).all()):
        return False  # a mask, or nothing to exchange it for
    try:
        after = _run(subject, {name: _exchanged(values, None, None)}, seed=1)
    except MoreishError:  # not every value fits everywhere: lengths, for one
        return False
    return not _has_changed(base, after, noises)


def _run(subject: Subject, exchanged: dict[str, Tensor], seed: int) -> list[Output]:
    """All outputs of one pass, what is taken for predictions (n, P, …) first."""
    restore.seed(seed)
    outputs = outputs_of(subject.forward(subject.replaced(exchanged)), subject)
    if not outputs or not outputs[0].has_examples:
        shape = f"shape {tuple(outputs[0].values.shape)}" if outputs else "no tensor of floats"
        raise UnclearError(f"the output ({shape}) has no axis of {subject.num_examples} examples")
    return outputs


def _with_examples(outputs: list[Output]) -> list[Output]:
    return [item for item in outputs if item.has_examples]


def _has_changed(before: list[Output], after: list[Output], noises: list[float]) -> bool:
    """Whether any output changed by more than its noise."""
    return any(old.largest_change(new) > noise for old, new, noise in zip(before, after, noises, strict=False))


def _exchanged(inputs: Tensor, example: int | None, position: int | None) -> Tensor:
    """The inputs with one example, or one position of all examples, exchanged for other values that occur."""
    changed = inputs.clone()
    where = (slice(None) if example is None else example, *(() if position is None else (position,)))
    old = inputs[where]
    if inputs.is_floating_point():
        spread = float(inputs.float().std()) if inputs.numel() > 1 else 0.0
        changed[where] = old + (spread or 1.0)
    elif inputs.dtype == torch.bool:
        changed[where] = ~old
    else:
        symbols = torch.unique(inputs)
        if len(symbols) < 2:
            raise UnclearError("all inputs are the same symbol")
        places = range(inputs.shape[1]) if inputs.ndim == 2 and inputs.shape[1] <= MAX_COLUMNS else ()
        changed[where] = _next(symbols, old)
        for place in places if position is None else [position] * bool(places):
            own = torch.unique(inputs[:, place])  # users beside items: what fits one column need not fit another
            here = (slice(None) if example is None else example, place)
            changed[here] = _next(own if len(own) > 1 else symbols, inputs[here])
    return changed


def _next(symbols: Tensor, old: Tensor) -> Tensor:
    """Of the sorted symbols those that follow; the first one follows the last."""
    return symbols[(torch.searchsorted(symbols, old.contiguous()) + 1) % len(symbols)]


def _context(inputs: Tensor) -> int:
    """T of ids (n, T) or of numbers (n, T, E); 0 where the inputs have no positions."""
    has_positions = inputs.ndim == 3 if inputs.is_floating_point() else inputs.ndim == 2
    return inputs.shape[1] if has_positions else 0


def _spread(context: int) -> list[int]:
    """Up to MAX_POSITIONS positions, evenly over the context, the first and the last among them."""
    if context <= MAX_POSITIONS:
        return list(range(context))
    return sorted({round(i * (context - 1) / (MAX_POSITIONS - 1)) for i in range(MAX_POSITIONS)})


def _is_next_symbol(subject: Subject) -> bool:
    x, y = subject.primary, subject.targets
    if not isinstance(y, Tensor) or x.is_floating_point() or y.is_floating_point() or x.ndim != 2:
        return False
    if y.numel() != x.numel() or x.shape[1] < 2:
        return False
    y = y.reshape(x.shape)
    return bool((y[:, :-1] == x[:, 1:]).float().mean() > 0.9)


def _time_comes_first(subject: Subject) -> bool:
    x, y = subject.primary, subject.targets
    if not isinstance(y, Tensor) or x.is_floating_point() or y.is_floating_point() or x.ndim != 2 or len(x) < 3:
        return False
    return y.shape == x.shape and bool((y[:-1] == x[1:]).float().mean() > 0.9) and not _is_next_symbol(subject)


def _batch_statistics(model: nn.Module) -> str | None:
    for name, module in model.named_modules():
        is_batch_norm = "batchnorm" in type(module).__name__.lower()
        if is_batch_norm and getattr(module, "running_mean", None) is None:
            return name or type(module).__name__
    return None
