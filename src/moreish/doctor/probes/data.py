"""Inputs and labels: whether a label stands among its own inputs, and whether validation repeats training."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from moreish.doctor.evidence import Data
from moreish.doctor.probes.columns import label_columns
from moreish.doctor.probes.repeats import MAX_EXAMPLES, as_bytes, joined_bytes, measure_repeats, of_examples
from moreish.doctor.structures import first_tensor, tensors

_MAX_BYTES = 1 << 20  # of the inputs of one minibatch that are looked up
_MAX_LABELS = 4096
_OFFSETS = range(-3, 7)

Row = tuple[bytes, bytes]
"""One example's input and target: digests, so that large inputs take no more room than small ones."""


def measure_data(batch: Any, validation: Any = None, looped: Sequence[Row] = ()) -> Data:
    """Look at a pair (inputs, targets), at a second pair that was held out, and at examples that a loop trained on."""
    inputs, targets = batch
    x = first_tensor(inputs)
    labels = targets.to(x.device) if isinstance(targets, Tensor) and not targets.is_floating_point() else None
    num_symbols = 0 if labels is None else int(torch.unique(labels).numel())
    runs, pairs, chance = _label_runs(labels, len(x))
    data = {
        "num_examples": len(x),
        "label_offset": {} if labels is None else _offsets(x, labels),
        "num_symbols": num_symbols,
        "label_runs": runs,
        "label_pairs": pairs,
        "label_same_chance": chance,
    }
    data["label_values"], data["label_shares"] = _label_shares(targets, len(x))
    keys = _keys(inputs, targets)
    counts = Counter(keys)
    data["context_repeats"] = sum(count for count in counts.values() if count > 1) / max(len(keys), 1)
    repeats = measure_repeats(inputs, targets, data["context_repeats"])
    data["spread"], data["repeats_by_chance"] = repeats.spread, repeats.by_chance
    columns = label_columns(inputs, targets)
    data |= {
        "num_columns": columns.num_columns,
        "label_columns": columns.columns,
        "label_relation": columns.relation,
    }
    data["are_inputs_finite"], data["are_targets_finite"] = _are_finite(inputs), _are_finite(targets)
    if validation is not None:
        held_out = _keys(*validation)
        data["num_validation"] = len(held_out)
        data["num_overlapping"] = sum(key in counts for key in held_out)
        data["num_chance_overlap"] = sum(counts.get(key, 0) > 1 for key in held_out)
    data |= _looked_up(looped, _rows(inputs, targets, MAX_EXAMPLES) if looped else [])
    return Data(**data)


def _are_finite(value: Any) -> bool:
    return all(bool(torch.isfinite(item).all()) for item in tensors(value))


def rows_of(inputs: Any, targets: Any) -> list[Row]:
    """A few examples of a minibatch, to be looked up in a training set."""
    size = sum(x[0].numel() * x.element_size() for x in of_examples(inputs))
    return _rows(inputs, targets, max(1, min(8, _MAX_BYTES // max(size, 1))))


def _rows(inputs: Any, targets: Any, most: int) -> list[Row]:
    n = len(first_tensor(inputs))
    if not isinstance(targets, Tensor) or not targets.numel() or targets.numel() % n:
        return []
    labels = as_bytes(targets.reshape(n, -1)[:most])
    return [(_digest(a), _digest(b)) for a, b in zip(joined_bytes(of_examples(inputs), most), labels, strict=True)]


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _looked_up(looped: Sequence[Row], training: Sequence[Row]) -> dict[str, Any]:
    """How many examples of the loop stand in the training set, and how many of these with another target.

    Short inputs recur with other targets by themselves: how often is seen where each training example is looked up
    among the others.
    """
    targets: dict[bytes, Counter[bytes]] = {}
    for inputs, target in training:
        targets.setdefault(inputs, Counter())[target] += 1
    beside = Counter(target for counts in targets.values() for target in counts)  # how many inputs, each target
    found = [target in targets[inputs] for inputs, target in looped if inputs in targets]
    others = [target for inputs, target in looped if inputs in targets and target not in targets[inputs]]
    num_alone = sum(count == 1 for counts in targets.values() if counts.total() > 1 for count in counts.values())
    return {
        "num_looked_up": len(looped),
        "num_found": len(found),
        "num_relabelled": len(others),
        "relabelled_by_chance": num_alone / max(len(training), 1),
        "num_exchanged": sum(target in beside for target in others),
        "exchanged_by_chance": sum(beside[target] > 1 for _, target in training) / max(len(training), 1),
    }


def _offsets(x: Tensor, labels: Tensor) -> dict[str, float]:
    """Share of labels equal to the input `offset` places later; offset 1 is the next symbol, 0 the same place."""
    if x.is_floating_point() or x.ndim != 2 or int(torch.unique(labels).numel()) < 2:
        return {}
    shares = {}
    n, context = x.shape
    if labels.numel() == x.numel() and context > 1:
        y = labels.reshape(n, context)
        for offset in _OFFSETS:
            first, last = max(0, -offset), min(context, context - offset)
            if last > first:
                shares[str(offset)] = float((y[:, first:last] == x[:, first + offset : last + offset]).float().mean())
    elif labels.numel() == n:
        y = labels.reshape(n)
        for place in range(context):  # the last input symbol is offset 0 from itself, the label should be offset 1
            shares[str(place - context + 1)] = float((y == x[:, place]).float().mean())
        slides = (x[1:, :-1] == x[:-1, 1:]).all(1) if context > 1 else torch.zeros(0, dtype=torch.bool)
        if n > 8 and bool(slides.float().mean() > 0.5):  # neighbours slide over one text, which can be read off them
            for offset in range(1, _OFFSETS.stop):
                is_run = slides.unfold(0, offset, 1).all(1)
                if bool(is_run.any()):
                    shares[str(offset)] = float((y[:-offset] == x[offset:, -1])[is_run].float().mean())
    return shares


def _label_runs(labels: Tensor | None, n: int) -> tuple[int, int, float]:
    """How many neighbouring labels agree, of how many, and how many would if the order were random."""
    if labels is None or labels.numel() != n or n < 2:
        return 0, 0, 0.0
    y = labels.reshape(-1)
    counts = torch.bincount(y - y.min()).double()
    chance = float((counts * (counts - 1)).sum() / (n * (n - 1)))
    return int((y[1:] == y[:-1]).sum()), n - 1, chance


def _keys(inputs: Any, targets: Any) -> list[bytes]:
    """One key an example: its inputs and its label, byte for byte."""
    keys, n = joined_bytes(of_examples(inputs), MAX_EXAMPLES), len(first_tensor(inputs))
    if isinstance(targets, Tensor) and targets.numel() and targets.shape[0] % n == 0:
        labels = as_bytes(targets.reshape(n, -1)[:MAX_EXAMPLES])
        keys = [key + row for key, row in zip(keys, labels, strict=True)]
    return keys


def labels_of(targets: Any, num_examples: int, most: int = 64) -> tuple[float, ...]:
    """One label or number for each of at most `most` examples, the last where it has several; () without any."""
    if not isinstance(targets, Tensor) or not targets.ndim or targets.numel() % num_examples or not targets.numel():
        return ()
    rows = targets.detach().reshape(num_examples, -1)
    if targets.is_floating_point() and rows.shape[1] > 1:
        return ()
    return tuple(map(float, rows[:: -(-num_examples // most), -1].tolist()))


def _label_shares(targets: Any, n: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Which labels there are, as `labels_of` sees them, and how often; nothing where they are numbers."""
    if not labels_of(targets, n, 1):
        return (), ()
    values, counts = torch.unique(targets.detach().reshape(n, -1)[:, -1], return_counts=True)
    if len(values) > min(n / 2, _MAX_LABELS):
        return (), ()
    return tuple(values.double().tolist()), tuple((counts.double() / n).tolist())
