"""Batched drawing from any model that is a generator: start, advance, select, and nothing else of it.

Shapes: n items of one call, B of them still growing, G distinct beginnings among these, V symbols.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.corpus.vocabulary import BOUNDARY_ID
from moreish.draws import item_uniforms
from moreish.generation.request import Request
from moreish.models.predictor import Predictor

_NUMBERS_PER_BLOCK = 4


@dataclass(frozen=True)
class Beginning:
    """Where all items of a request begin: one sequence that has seen the opening and the prefix.

    Attributes:
        state: of the model, for one sequence.
        logits: of the first symbol that is drawn, (1, V).
        prefix: ids that every item begins with.
        nll: of the prefix, nats.
        has_boundary: whether items end (lists) or not (running text).
    """

    state: Any
    logits: NDArray[np.floating]
    prefix: NDArray[np.int64]
    nll: float
    has_boundary: bool


@dataclass(frozen=True)
class Drawn:
    """Items as they were drawn, the prefix included.

    Attributes:
        ids: (n, longest); what lies beyond an item's length is 0.
        lengths: characters of each item, boundary excluded, (n,).
        nlls: of each item under the model at temperature 1, closing boundary included, (n,), nats.
        is_cut: whether the item reached the largest length without ending, (n,).
        is_stuck: whether no symbol was left to go on with, (n,).
    """

    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]
    nlls: NDArray[np.float64]
    is_cut: NDArray[np.bool_]
    is_stuck: NDArray[np.bool_]


def begin(predictor: Predictor, opening: NDArray[np.int64], prefix: NDArray[np.int64], has_boundary: bool) -> Beginning:
    """Show the model the opening (the boundary, or the ids that running text begins after) and the prefix."""
    logits, state = np.empty(0), predictor.start(1)
    for symbol in opening:
        logits, state = predictor.advance(state, np.array([symbol]))
    nll = 0.0
    for symbol in prefix:
        nll -= float(log_softmax(logits)[0, symbol])
        logits, state = predictor.advance(state, np.array([symbol]))
    return Beginning(state, logits, prefix, nll, has_boundary)


def draw_items(predictor: Predictor, beginning: Beginning, request: Request, items: NDArray[np.int64]) -> Drawn:
    """Draw items by their numbers, (n,); each depends on the seed and its own number alone.

    The uniform number that decides character j of item i is number j of stream (seed, i), by inversion of the
    cumulative probabilities in id order, in float64. Items that have ended leave the batch, and items that have begun
    alike share one row of the model's work: for a list that saves about half of it.
    """
    start, has_boundary = len(beginning.prefix), beginning.has_boundary
    limit = request.max_length if has_boundary else request.length
    assert limit is not None  # the request was resolved
    rows: NDArray[np.int64] = np.arange(len(items))  # items that still grow, (B,)
    columns = [(rows, np.full(len(items), symbol)) for symbol in beginning.prefix]
    lengths = np.full(len(items), limit)
    nlls = np.full(len(items), beginning.nll)
    is_cut, is_stuck = np.zeros((2, len(items)), dtype=np.bool_)

    branches = np.zeros_like(rows)  # the distinct beginning that each has, (B,)
    state, log_probabilities = beginning.state, log_softmax(beginning.logits)  # of the distinct beginnings, (G, V)
    uniforms = np.empty((len(items), _NUMBERS_PER_BLOCK))
    for position in range(start, limit + has_boundary):
        if position == start or position % _NUMBERS_PER_BLOCK == 0:
            uniforms = item_uniforms(request.seed, items[rows], position // _NUMBERS_PER_BLOCK)  # (B, 4)
        is_boundary_forbidden = has_boundary and position < (request.min_length or 0)
        cumulative = np.cumsum(symbol_weights(log_probabilities, request, is_boundary_forbidden), axis=1)
        symbols, can_go_on = choose(cumulative[branches], uniforms[:, position % _NUMBERS_PER_BLOCK])
        if has_boundary and position == limit:
            is_cut[rows] = symbols != BOUNDARY_ID
            symbols[:] = BOUNDARY_ID
        nlls[rows] -= log_probabilities[branches, symbols]

        is_growing = can_go_on & (symbols != BOUNDARY_ID) if has_boundary else can_go_on
        is_stuck[rows[~can_go_on]] = True
        lengths[rows[~is_growing]] = position
        rows, branches = rows[is_growing], branches[is_growing]
        symbols, uniforms = symbols[is_growing], uniforms[is_growing]
        columns.append((rows, symbols))
        if len(rows) == 0 or position + 1 == limit + has_boundary:
            break
        grown, branches = np.unique(branches * predictor.vocab_size + symbols, return_inverse=True)
        state = predictor.select(state, grown // predictor.vocab_size)
        logits, state = predictor.advance(state, grown % predictor.vocab_size)
        log_probabilities = log_softmax(logits)

    return Drawn(_assemble(columns, len(items)), lengths, nlls, is_cut, is_stuck)


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logits (G, V) → log-probabilities (G, V), nats, in float64; nan where a row has no possible symbol."""
    result = logits.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        result -= result.max(axis=1, keepdims=True)
        result -= np.log(np.exp(result).sum(axis=1, keepdims=True))
    return result


def symbol_weights(
    log_probabilities: NDArray[np.float64], request: Request, is_boundary_forbidden: bool = False
) -> NDArray[np.float64]:
    """What the symbols are drawn in proportion to, at least 0: (G, V) → (G, V).

    In this order: the boundary is forbidden where an item is too short to end, temperature, top_k, top_p.
    """
    if is_boundary_forbidden or request.temperature != 1:
        powers = log_probabilities.copy()
        if is_boundary_forbidden:
            powers[:, BOUNDARY_ID] = -np.inf
        with np.errstate(invalid="ignore", over="ignore"):  # -inf − -inf: no symbol is left, and `choose` says so
            powers -= powers.max(axis=1, keepdims=True)
            powers /= request.temperature
        weights = np.exp(powers, out=powers)
    else:
        weights = np.exp(log_probabilities)
    has_nucleus = request.top_p is not None and request.top_p < 1
    if request.top_k is None and not has_nucleus:
        return weights

    order = np.argsort(-weights, axis=1, kind="stable")
    ranked = np.take_along_axis(weights, order, axis=1)
    if request.top_k is not None:
        ranked[:, request.top_k :] = 0
    if has_nucleus:
        reached = np.cumsum(ranked, axis=1)
        before = np.column_stack((np.zeros(len(reached)), reached[:, :-1]))
        ranked[before >= request.top_p * reached[:, -1:]] = 0
    np.put_along_axis(weights, order, ranked, axis=1)
    return weights


def choose(
    cumulative: NDArray[np.float64], uniforms: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The first symbol whose cumulative weight (B, V) exceeds u (B,), in [0, 1), times the total.

    Returns:
        symbols (B,), and whether there was any weight to choose by, (B,).
    """
    totals = cumulative[:, -1]
    can_go_on = totals > 0  # false for nan too
    symbols = np.count_nonzero(cumulative <= (uniforms * totals)[:, None], axis=1)
    return np.where(can_go_on, symbols, BOUNDARY_ID), can_go_on


def _assemble(columns: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]], num_items: int) -> NDArray[np.int64]:
    ids = np.zeros((num_items, len(columns)), dtype=np.int64)
    for position, (rows, symbols) in enumerate(columns):
        ids[rows, position] = symbols
    return ids
