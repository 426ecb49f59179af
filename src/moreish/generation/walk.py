"""Drawing in C++ (native/walk.cpp): the items of `draw_items`, by a memory of the contexts that were met.

Probabilities and weights come from the same functions as there, and the same uniform numbers decide, so that the items
are the same; what C++ does is everything between two questions to the model.
"""

from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.generation.draw import Beginning, Drawn, log_softmax, symbol_weights
from moreish.generation.request import Request
from moreish.models.predictor import Predictor, WindowPredictor

try:
    import moreish.generation._walk as _walk  # pyright: ignore[reportMissingModuleSource]
except ModuleNotFoundError:  # it was installed without a compiler
    _walk = None

_MEMORY_NUMBERS = 2**23  # that are kept of all contexts together: 64 MB
_MOST_SYMBOLS = 2**16  # of 16 bits


def can_walk(predictor: Predictor) -> bool:
    """Whether C++ can draw from a model: one that sees its last T symbols alone."""
    return _walk is not None and isinstance(predictor, WindowPredictor) and predictor.vocab_size <= _MOST_SYMBOLS


class Walker:
    """Draws from one model, and keeps what the contexts give from call to call, in at most some 64 MB and what one
    batch adds; threads that share it draw one after the other.

    Args:
        predictor: one for which `can_walk` holds.
        memory_numbers: how many numbers of 8 bytes are kept of all contexts together. When there are more, all are
            forgotten; what is needed again is computed again, and changes no item.
    """

    def __init__(self, predictor: Predictor, memory_numbers: int = _MEMORY_NUMBERS) -> None:
        assert isinstance(predictor, WindowPredictor)
        self.predictor: WindowPredictor = predictor
        self._weighed_by: object = None
        self._memory: Any = None
        self._memory_numbers = memory_numbers
        self._lock = Lock()

    def draw(self, beginning: Beginning, request: Request, items: NDArray[np.int64]) -> Drawn:
        """What `draw_items` draws."""
        with self._lock:
            return self._draw(beginning, request, items)

    def _draw(self, beginning: Beginning, request: Request, items: NDArray[np.int64]) -> Drawn:
        assert _walk is not None
        limit = request.max_length if beginning.has_boundary else request.length
        assert limit is not None  # the request was resolved
        walk = _walk.Walk(
            memory=self._memory_of(request),
            seed=request.seed,
            numbers=np.ascontiguousarray(items),
            seen=np.ascontiguousarray(beginning.state[0]),
            start=len(beginning.prefix),
            limit=limit,
            min_length=request.min_length or 0,
            nll=beginning.nll,
            has_boundary=beginning.has_boundary,
        )
        while (contexts := walk.advance()) is not None:
            if len(contexts):
                self._learn(contexts, request)
        ids, lengths, nlls, is_cut, is_stuck = walk.results()
        prefix = np.broadcast_to(beginning.prefix, (len(items), len(beginning.prefix)))
        return Drawn(np.concatenate((prefix, ids), axis=1), lengths, nlls, is_cut, is_stuck)

    def _memory_of(self, request: Request) -> Any:
        """What was learnt, if it was for the same weights of symbols."""
        weighed_by = (request.temperature, request.top_k, request.top_p, request.min_length)
        if self._memory is None or self._weighed_by != weighed_by:
            assert _walk is not None
            vocab_size, context = self.predictor.vocab_size, self.predictor.context
            most_rows = self._memory_numbers // (3 * vocab_size + context)
            self._memory = _walk.Memory(vocab_size, context, most_rows, bool(request.min_length))
            self._weighed_by = weighed_by
        return self._memory

    def _learn(self, contexts: NDArray[np.int64], request: Request) -> None:
        log_probabilities = log_softmax(self.predictor.logits(contexts))
        sums = np.cumsum(symbol_weights(log_probabilities, request), axis=1)
        without = np.empty((0, self.predictor.vocab_size))
        if request.min_length:
            without = np.cumsum(symbol_weights(log_probabilities, request, is_boundary_forbidden=True), axis=1)
        self._memory.learn(log_probabilities, sums, without)
