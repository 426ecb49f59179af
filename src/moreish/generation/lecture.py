"""Drawing exactly as the lectures do: one character at a time, `torch.multinomial` from one generator.

This is the one room of generation that imports PyTorch; it is loaded only when it is asked for.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from moreish.corpus.vocabulary import BOUNDARY_ID
from moreish.generation.draw import Beginning, Drawn, log_softmax
from moreish.generation.request import Request
from moreish.models.predictor import Predictor


def lecture_draws(predictor: Predictor, beginning: Beginning, request: Request) -> Callable[[NDArray[np.int64]], Drawn]:
    """A function that draws the next items, as many as it is given numbers; they follow from all drawn before.

    Source: A. Karpathy, "Neural Networks: Zero to Hero", makemore lectures 2 to 5, the cells that sample names.
    """
    generator = torch.Generator().manual_seed(request.seed)
    limit = request.max_length if beginning.has_boundary else request.length
    assert limit is not None  # the request was resolved

    def draw_one() -> tuple[list[int], float, bool]:
        state, logits = beginning.state, beginning.logits
        ids, nll = beginning.prefix.tolist(), beginning.nll
        for position in range(len(ids), limit + beginning.has_boundary):
            probabilities = torch.softmax(torch.from_numpy(np.asarray(logits, dtype=np.float32)), dim=1)
            symbol = int(torch.multinomial(probabilities, num_samples=1, generator=generator).item())
            is_last = beginning.has_boundary and (symbol == BOUNDARY_ID or position == limit)
            nll -= float(log_softmax(logits)[0, BOUNDARY_ID if is_last else symbol])
            if is_last:
                return ids, nll, symbol != BOUNDARY_ID
            ids.append(symbol)
            logits, state = predictor.advance(state, np.array([symbol]))
        return ids, nll, False

    def draw(numbers: NDArray[np.int64]) -> Drawn:
        items = [draw_one() for _ in numbers]
        lengths = np.array([len(ids) for ids, _, _ in items])
        padded = np.zeros((len(items), int(lengths.max())), dtype=np.int64)
        for row, (ids, _, _) in zip(padded, items, strict=True):
            row[: len(ids)] = ids
        nlls, is_cut = np.array([nll for _, nll, _ in items]), np.array([is_cut for _, _, is_cut in items])
        return Drawn(padded, lengths, nlls, is_cut, np.zeros(len(items), dtype=np.bool_))

    return draw
