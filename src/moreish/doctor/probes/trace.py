"""Which operations a forward pass consists of, and what came out of each; modules or plain functions alike.

Operations are seen where PyTorch dispatches its functions, so `torch.tanh(x)` in a forward is seen like `nn.Tanh`, and
`x @ self.weight` like `nn.Linear`. What happens inside one compiled operation (`nn.LSTM`) is not seen.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, _get_current_function_mode

from moreish.doctor.evidence import NUM_GROUPS, Site
from moreish.doctor.probes.attention import axis_of, entropy_of_fused, is_over_keys, relative_entropy, weights_of_heads

MAX_SITES = 400
TANH_THRESHOLD = 0.97  # |tanh|, as the notebooks have it
SIGMOID_THRESHOLD = 0.47  # |sigmoid - 1/2|: its slope there is as far below its largest as that of tanh at 0.97

_KINDS: dict[str, str] = {
    "tanh": "activation", "tanh_": "activation", "sigmoid": "activation", "relu": "activation", "relu_": "activation",
    "gelu": "activation", "silu": "activation", "leaky_relu": "activation", "elu": "activation",
    "clamp_min": "activation", "softmax": "softmax", "_softmax": "softmax", "log_softmax": "log_softmax",
    "linear": "linear", "matmul": "linear", "__matmul__": "linear", "mm": "linear", "addmm": "linear", "bmm": "linear",
    "conv1d": "linear", "conv2d": "linear", "conv3d": "linear", "einsum": "linear",
    "embedding": "embedding", "batch_norm": "norm", "layer_norm": "norm", "group_norm": "norm", "instance_norm": "norm",
    "rms_norm": "norm", "dropout": "dropout", "scaled_dot_product_attention": "attention",
    "multi_head_attention_forward": "attention", "rnn_tanh": "activation",
}  # fmt: skip

_ADDITIONS = {"add", "__add__", "add_", "__iadd__", "__radd__"}


@dataclass
class _Tally:
    """What is kept of one site while it is pooled."""

    kind: str
    op: str
    parameter: str | None
    num_units: int
    has_bias: bool
    num_calls: int = 0
    num_rows: int = 0
    num_distinct: int = 0
    squares: list[Tensor] = field(default_factory=list)
    gradients: list[Tensor] = field(default_factory=list)
    saturated: list[Tensor] = field(default_factory=list)
    entropies: list[Tensor] = field(default_factory=list)
    lowest: Tensor | None = None
    highest: Tensor | None = None
    any_nonzero: Tensor | None = None
    suspects: Tensor | None = None  # units dead, or stuck, in every row so far
    is_finite: bool = True
    has_finite_inputs: bool = True


class Trace(TorchFunctionMode):
    """Takes note of every operation of interest while it is active.

    Args:
        model: its modules name the sites.
        num_examples: of the batch: outputs whose first axis is a multiple of it are grouped by example.

    Attributes:
        failure: what could not be measured; None where everything could.
    """

    def __init__(self, model: nn.Module, num_examples: int) -> None:
        super().__init__()
        self.num_examples: int = num_examples
        self.tallies: dict[str, _Tally] = {}
        self.feeds: dict[str, str] = {}  # bias → norm that follows it at once
        self.names: dict[int, str] = {id(p): name for name, p in model.named_parameters()}
        self.is_over: bool = False
        self.failure: str | None = None
        self._stack: list[tuple[str, dict[str, int]]] = [("", {})]
        self._uses: dict[str, dict[tuple[str | None, int], str]] = {}
        self._makers: dict[int, tuple[ReferenceType[Tensor], str]] = {}
        self._biased: dict[int, tuple[Tensor, str]] = {}
        self._channels_first: dict[int, Tensor] = {}
        self._is_busy: bool = False

    def enter(self, name: str, module: nn.Module, args: Any) -> None:
        self._stack.append((name, {}))
        if "batchnorm" in type(module).__name__.lower() and args:
            self._note_norm(args[0])

    def leave(self) -> None:
        if len(self._stack) > 1:
            self._stack.pop()

    def ends_with_step(self, _optimizer: Any, args: Any, kwargs: Any) -> None:
        """Hook of an optimiser: the passes of this step are over, unless a closure is still to make them.

        What the optimiser calls would be seen for nothing; it is most of what a step calls.
        """
        if len(args) < 2 and not kwargs and _get_current_function_mode() is self:
            self.end()

    def end(self) -> None:
        """Nothing more is seen."""
        if not self.is_over:
            self.is_over = True
            self.__exit__(None, None, None)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        kind = _KINDS.get(name)
        if self._is_busy or kind is None:
            out = func(*args, **kwargs)
            if name in _ADDITIONS and not self._is_busy:
                self._note_addition(args, out)
            return out
        self._is_busy = True  # relu is tanh's neighbour, not part of whatever calls it
        try:
            came_in = args[0].detach().clone() if kind == "activation" and _is_in_place(name, args, kwargs) else None
            out = func(*args, **kwargs)
            seen = out[0] if isinstance(out, tuple) else out
            if isinstance(seen, Tensor) and seen.is_floating_point() and seen.ndim:
                self._tried(name, lambda: self._note(name, kind, args, kwargs, seen, came_in))
        finally:
            self._is_busy = False
        return out

    def _tried(self, name: str, measure: Callable[[], None]) -> None:
        """Nobody's pass fails for the doctor's sake; what was seen of it then counts as not examined."""
        try:
            measure()
        except Exception as error:
            self.failure = f"measuring {name} failed with {type(error).__name__}"

    def _note(self, name: str, kind: str, args: Any, kwargs: Any, out: Tensor, came_in: Tensor | None) -> None:
        operands = [*args, *kwargs.values()]
        weights = [self.names[id(item)] for item in operands if id(item) in self.names]
        if kind == "linear" and not weights:
            return  # a product of activations, as in attention
        if name == "batch_norm":
            self._note_norm(args[0] if args else kwargs["input"])
        channels_first = self._has_channels_first(name, kind, args, out)
        units = 1 if channels_first else axis_of(args, kwargs, out) if kind == "softmax" else -1
        num_units = out.shape[units]
        site = self._site(name) if weights else self._use(self._site(name), args, num_units)
        self._makers[id(out)] = (ref(out), site)
        if site not in self.tallies:
            if len(self.tallies) >= MAX_SITES:
                return
            op = "tanh" if name == "rnn_tanh" else name.strip("_")
            self.tallies[site] = _Tally(kind, op, weights[0] if weights else None, num_units, len(weights) > 1)
        tally = self.tallies[site]
        tally.num_calls += 1
        if kind == "linear" and len(weights) > 1:
            self._biased[id(out)] = (out, weights[-1])
        with torch.no_grad(), torch.autocast(out.device.type, enabled=False):  # ours are to be precise
            self._measure(tally, out.detach(), args, kwargs, channels_first, came_in)
        if out.requires_grad and torch.is_grad_enabled():
            out.register_hook(self._gradient_noter(tally))

    def _has_channels_first(self, name: str, kind: str, args: Any, out: Tensor) -> bool:
        is_first = name.startswith("conv") or (name in ("batch_norm", "group_norm") and out.ndim > 2)
        # An activation has the channels of what it gets; (B, C, H, W) is what convolutions hand on.
        came_from = id(args[0]) if args else None
        is_first |= kind in ("activation", "dropout") and (out.ndim == 4 or came_from in self._channels_first)
        if is_first:
            self._channels_first[id(out)] = out
        return is_first

    def _measure(
        self, tally: _Tally, out: Tensor, args: Any, kwargs: Any, channels_first: bool, came_in: Tensor | None
    ) -> None:
        squares = self._mean_square(out)
        if not math.isfinite(squares.sum().item()) and not _is_finite(out):  # squares overflow before their roots
            tally.is_finite = False
            tally.has_finite_inputs &= all(_is_finite(item) for item in args if isinstance(item, Tensor))
        tally.squares.append(squares)
        if tally.op == "multi_head_attention_forward":
            weights = weights_of_heads(args, kwargs)
            tally.entropies += [] if weights is None else [self._by_group(relative_entropy(weights))]
        elif tally.kind == "attention":
            tally.entropies.append(self._by_group(entropy_of_fused(args, kwargs)))
        elif tally.kind == "softmax" and is_over_keys(args, kwargs, out):
            tally.entropies.append(self._by_group(relative_entropy(out)))
        if tally.kind != "activation":
            return
        fed = came_in if came_in is not None else args[0].detach() if args and args[0].shape == out.shape else out
        moved, moved_in = (x.movedim(1, -1) if channels_first else x for x in (out, fed))
        rows: Tensor = moved.reshape(-1, moved.shape[-1])
        tally.num_rows += rows.shape[0]
        suspects: Tensor | None = None
        if tally.op == "relu" or tally.op == "clamp_min":
            alive = (rows != 0).any(0)
            alive = alive if tally.any_nonzero is None else tally.any_nonzero | alive
            tally.any_nonzero, suspects = alive, ~alive
        elif tally.op in ("tanh", "sigmoid"):
            centre, threshold = (0.0, TANH_THRESHOLD) if tally.op == "tanh" else (0.5, SIGMOID_THRESHOLD)
            saturated = (out - centre if centre else out).abs() > threshold
            tally.saturated.append(self._by_group(saturated))
            low, high = rows.aminmax(dim=0)
            low = low if tally.lowest is None else torch.minimum(tally.lowest, low)
            high = high if tally.highest is None else torch.maximum(tally.highest, high)
            tally.lowest, tally.highest = low, high
            suspects = (low > centre + threshold) | (high < centre - threshold)
        if suspects is not None:
            tally.suspects = suspects
            if bool(suspects.any()):  # only then does it matter how many different inputs they were dead for
                some = moved_in.reshape(rows.shape)[:: max(len(rows) // 1024, 1)][:1024]
                tally.num_distinct = max(tally.num_distinct, _num_distinct(some))

    def _gradient_noter(self, tally: _Tally) -> Callable[[Tensor], None]:
        def note(gradient: Tensor) -> None:
            with torch.no_grad():
                self._tried("a gradient", lambda: tally.gradients.append(self._mean_square(gradient)))

        return note

    def _mean_square(self, values: Tensor) -> Tensor:
        """Mean squares over groups of examples, (G,); over everything, (1,), where there are none."""
        if values.shape[0] % self.num_examples == 0 and self.num_examples % NUM_GROUPS == 0:
            rows = values.reshape(NUM_GROUPS, -1)
            dtype = torch.promote_types(rows.dtype, torch.float32)
            return torch.linalg.vector_norm(rows, dim=1, dtype=dtype).square_().div_(rows.shape[1])
        return self._by_group(values.float().square())

    def _by_group(self, values: Tensor) -> Tensor:
        """Means over groups of examples, (G,); over everything, (1,), where the first axis counts something else."""
        n = self.num_examples
        if values.ndim and values.shape[0] % n == 0 and n > 1:
            groups = min(NUM_GROUPS, n)
            size = n // groups
            rows = values if n == groups * size else values.reshape(n, -1)[: groups * size]
            return rows.reshape(groups, -1).mean(1, dtype=torch.float32)
        return values.mean(dtype=torch.float32).reshape(1)

    def _note_addition(self, args: Any, out: Any) -> None:
        """x @ W + b: remember the sum, whose bias may go into a norm."""
        biases = [self.names[id(item)] for item in args if id(item) in self.names and item.ndim == 1]
        if biases and isinstance(out, Tensor):
            self._biased[id(out)] = (out, biases[0])

    def _note_norm(self, x: Any) -> None:
        if isinstance(x, Tensor):
            source = self._biased.get(id(x))
            if source is None and x._base is not None:
                source = self._biased.get(id(x._base))
            if source is not None:
                self.feeds[source[1]] = self._stack[-1][0] or "norm"

    def _site(self, op: str) -> str:
        module, counts = self._stack[-1]
        number = counts[op] = counts.get(op, 0) + 1
        return f"{module or 'model'}: {op.strip('_')}" + (f" {number}" if number > 1 else "")

    def _use(self, site: str, args: Any, num_units: int) -> str:
        """One module may serve several layers, as the ReLU of a residual block: each is a site, by what feeds it."""
        reference, maker = self._makers.get(id(args[0]) if args else 0, (None, None))
        is_known = reference is not None and reference() is args[0]
        uses = self._uses.setdefault(site, {})
        name = site if not uses else f"{site} ({len(uses) + 1})"
        return uses.setdefault((maker if is_known else None, num_units), name)

    def sites(self) -> tuple[Site, ...]:
        """Everything seen, in the order of the forward pass."""
        return tuple(_summary(name, tally) for name, tally in self.tallies.items())


@contextmanager
def tracing(model: nn.Module, num_examples: int, optimizer: torch.optim.Optimizer | None = None) -> Iterator[Trace]:
    """A trace of the forward passes inside; the hooks that name the modules are taken away again.

    Args:
        optimizer: when it steps, the trace ends.
    """
    trace = Trace(model, num_examples)
    handles = [] if optimizer is None else [optimizer.register_step_pre_hook(trace.ends_with_step)]
    for name, module in model.named_modules():
        handles.append(
            module.register_forward_pre_hook(lambda module, args, name=name: trace.enter(name, module, args))
        )
        handles.append(module.register_forward_hook(lambda _module, _args, _out: trace.leave(), always_call=True))
    trace.__enter__()
    try:
        yield trace
    finally:
        trace.end()
        for handle in handles:
            handle.remove()
        trace._biased.clear()  # lets go of the activations
        trace._channels_first.clear()


def _summary(name: str, tally: _Tally) -> Site:
    suspects = 0 if tally.suspects is None else int(tally.suspects.sum())
    is_relu = tally.any_nonzero is not None
    return Site(
        name=name,
        kind=tally.kind,
        op=tally.op,
        parameter=tally.parameter,
        num_calls=tally.num_calls,
        num_units=tally.num_units,
        num_rows=tally.num_rows,
        num_distinct=tally.num_distinct,
        rms=_root_mean(tally.squares),
        gradient=_root_mean(tally.gradients),
        saturated=_mean(tally.saturated),
        num_stuck=0 if is_relu else suspects,
        num_dead=suspects if is_relu else 0,
        relative_entropy=_mean(tally.entropies),
        has_bias=tally.has_bias,
        is_finite=tally.is_finite,
        has_finite_inputs=tally.has_finite_inputs,
    )


def _is_in_place(name: str, args: Any, kwargs: Any) -> bool:
    return bool(args) and (name.endswith("_") or kwargs.get("inplace", args[-1]) is True)


def _mean(parts: list[Tensor]) -> tuple[float, ...]:
    """The mean over calls, group by group; calls whose groups differ are averaged as one."""
    return tuple(_pooled(parts).tolist()) if parts else ()


def _root_mean(parts: list[Tensor]) -> tuple[float, ...]:
    return tuple(map(math.sqrt, _pooled(parts).clamp_min(0).tolist())) if parts else ()


def _pooled(parts: list[Tensor]) -> Tensor:
    if len(parts) == 1:
        return parts[0]
    if len({part.shape[0] for part in parts}) > 1:
        parts = [part.mean().reshape(1) for part in parts]
    return torch.stack(parts).double().mean(0)


def _num_distinct(rows: Tensor) -> int:
    """How many rows differ, told by one random projection of each: rows that agree there are the same."""
    along = torch.arange(1, rows.shape[1] + 1, device=rows.device).mul(0.6180339887).frac()  # none of them zero
    return torch.unique((rows.float() @ along * 4096).round()).shape[0]


def _is_finite(tensor: Tensor) -> bool:
    """A sum is the cheaper question; where it overflowed, every value is asked."""
    if not tensor.is_floating_point():
        return True
    return math.isfinite(tensor.detach().sum().item()) or bool(torch.isfinite(tensor.detach()).all())
