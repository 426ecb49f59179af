"""What every model can be asked, and what all models of a fixed context share."""

from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from moreish.corpus.windows import contexts as gather_contexts

_MAX_WINDOWS = 8_192
_MAX_LOGITS = 2**22
_MAX_VALUES = 2**24


class Predictor(Protocol):
    """Anything that predicts the next symbol. Shapes: B sequences, n positions, V = `vocab_size`, T = `context`.

    Generation, scoring and exports know nothing else of a model. What the state holds is the model's own matter: the
    last T ids, a hidden state, a key-value cache.
    """

    @property
    def vocab_size(self) -> int: ...

    @property
    def context(self) -> int: ...

    @property
    def num_parameters(self) -> int: ...

    def start(self, batch: int) -> Any:
        """The state before anything was seen; for lists the first symbol to advance with is the boundary."""
        ...

    def advance(self, state: Any, ids: NDArray[np.integer]) -> tuple[NDArray[np.floating], Any]:
        """See one more symbol of each sequence, ids (B,): the logits (B, V) of the symbol after it, and the state."""
        ...

    def select(self, state: Any, rows: NDArray[Any]) -> Any:
        """The state of some sequences only, by index or boolean mask."""
        ...

    def nll(
        self, stream: NDArray[np.unsignedinteger], positions: NDArray[np.int64], has_boundary: bool
    ) -> NDArray[np.float64]:
        """Negative log-likelihood of `stream[positions]`, each given what stands before it: (n,), nats."""
        ...


def pack(ids: NDArray[np.integer], vocab_size: int) -> NDArray[np.int64]:
    """Rows of ids (n, k) as numbers (n,), the ids their digits to base V; V^k must be below 2^63."""
    keys = np.zeros(len(ids), dtype=np.int64)
    for column in ids.T:
        keys = keys * vocab_size + column
    return keys


class WindowPredictor(ABC):
    """A model that sees the last T symbols and nothing else; a subclass gives the logits.

    Args:
        vocab_size: V.
        context: T; 0 for a model that sees nothing.
    """

    def __init__(self, vocab_size: int, context: int) -> None:
        self.vocab_size: int = vocab_size
        self.context: int = context

    @property
    def values_per_window(self) -> int:
        """The most numbers that one window takes on its way to the logits, at any one place."""
        return max(self.context, 1)

    @abstractmethod
    def logits(self, contexts: NDArray[np.int64]) -> NDArray[np.floating]:
        """Unnormalised log-probabilities of the next symbol: (n, T) → (n, V)."""

    def target_nll(self, contexts: NDArray[np.int64], targets: NDArray[np.integer]) -> NDArray[np.float64]:
        """NLL of each target (n,) after its context (n, T), nats; overridden where it takes less than V logits.

        Equal contexts are computed once, where one int64 can name a context: half the work for a list of names.
        """
        rows = np.arange(len(contexts))
        if self.vocab_size**self.context < 2**63:
            _, first, rows = np.unique(pack(contexts, self.vocab_size), return_index=True, return_inverse=True)
            contexts = contexts[first]
        logits = self.logits(contexts).astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        chosen = logits[rows, targets]
        return np.log(np.exp(logits, out=logits).sum(axis=1))[rows] - chosen

    def start(self, batch: int) -> NDArray[np.int64]:
        return np.zeros((batch, self.context), dtype=np.int64)

    def advance(
        self, state: NDArray[np.int64], ids: NDArray[np.integer]
    ) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        state = np.column_stack((state, ids.astype(np.int64)))[:, 1:]
        return self.logits(state), state

    def select(self, state: NDArray[np.int64], rows: NDArray[Any]) -> NDArray[np.int64]:
        return state[rows]

    def nll(
        self, stream: NDArray[np.unsignedinteger], positions: NDArray[np.int64], has_boundary: bool
    ) -> NDArray[np.float64]:
        """NLL of `stream[positions]`, (n,), nats; in chunks that take little memory, however long the context is."""
        result = np.empty(len(positions))
        size = max(1, min(_MAX_WINDOWS, _MAX_LOGITS // self.vocab_size, _MAX_VALUES // self.values_per_window))
        for start in range(0, len(positions), size):
            chunk = positions[start : start + size]
            windows = gather_contexts(stream, chunk, self.context, has_boundary)
            result[start : start + size] = self.target_nll(windows, stream[chunk])
        return result
