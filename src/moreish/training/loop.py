"""The loop: draws minibatches, hands chunks to the engine, evaluates, saves, reports."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from moreish.corpus import Corpus
from moreish.engines import Engine
from moreish.errors import DivergenceError
from moreish.models.load import predictor
from moreish.observers import ChunkDone, Ended, Evaluated, Event, Observer, Saved
from moreish.storage import MODEL_FILE, save_model
from moreish.training.checkpoint import Checkpoint, History, Position
from moreish.training.evaluation import evaluate
from moreish.training.interrupts import Interrupts
from moreish.training.memory import NUM_FIRST_STEPS
from moreish.training.minibatches import Minibatches
from moreish.training.packing import pack_model
from moreish.training.plan import Chunk, Plan
from moreish.training.run import Run
from moreish.training.schedule import rates

# A call of the engine lasts about this long, so that progress moves and Ctrl-C is heard.
_SECONDS_A_CALL = 0.2
_LONGEST_CALL_STEPS = 2_000
_SECONDS_BETWEEN_SAVES = 30.0
_PATIENCE = 25  # evaluations without improvement, where the best weights are kept and the recipe leaves it open


class Loop:
    """Carries out a plan, from the beginning or from a checkpoint.

    Args:
        run: directory that receives checkpoints and the model.
        corpus: trained and validated on.
        engine: carries out the steps.
        generator: of the minibatches.
        plan: which steps come.
        observers: hear what happens; one may ask to stop.
        checkpoint: to go on from; None begins.
    """

    def __init__(
        self,
        run: Run,
        corpus: Corpus,
        engine: Engine,
        generator: torch.Generator,
        plan: Plan,
        observers: Sequence[Observer],
        checkpoint: Checkpoint | None,
    ) -> None:
        self._run, self._recipe, self._corpus = run, run.recipe, corpus
        self._engine, self._plan, self._observers = engine, plan, observers
        self._position, self._history = Position(), History()
        self._minibatches = Minibatches(corpus.predicted("train", run.recipe.context), run.recipe.batch, generator)
        self._stop_reason: str | None = None
        if checkpoint is not None:
            engine.restore(checkpoint.weights, checkpoint.optimizer)
            self._minibatches.restore(checkpoint.generator)
            self._position, self._history = replace(checkpoint.position), checkpoint.history
        self._steps_a_call = NUM_FIRST_STEPS
        self._is_saved = checkpoint is not None
        self._began = time.perf_counter() - self._position.seconds
        self._saved_at = time.perf_counter()

    @property
    def position(self) -> Position:
        """Where the training stands."""
        return self._position

    def carry_out(self) -> str:
        """Train until the plan ends or something asks to stop; everything is saved then.

        Returns:
            The reason: "finished", "patience", "interrupted", or an observer's.

        Raises:
            DivergenceError: a loss was not finite; the last checkpoint stands.
        """
        with Interrupts() as interrupts:
            while self._stop_reason is None:
                chunk = self._plan.next_chunk(self._position.step, self._position.seconds)
                if chunk is None:
                    self._stop_reason = "finished"
                    break
                self._carry_out_chunk(chunk, interrupts)
        if self._stop_reason != "interrupted" and self._position.step not in self._history.evaluated_steps:
            self._evaluate()
        self._save()
        self._report(Ended(self._position.step, self._stop_reason, self._position.seconds))
        return self._stop_reason

    def _carry_out_chunk(self, chunk: Chunk, interrupts: Interrupts) -> None:
        chunk_rates = rates(self._recipe, self._plan.progress(chunk))
        done = 0
        while done < chunk.num_steps and self._stop_reason is None:
            num_steps = min(self._steps_a_call, chunk.num_steps - done)
            self._call_engine(chunk_rates[done : done + num_steps], chunk, done)
            done += num_steps
            if time.perf_counter() - self._saved_at > _SECONDS_BETWEEN_SAVES:
                self._save()
            if interrupts.is_requested:
                self._stop_reason = "interrupted"
        if done == chunk.num_steps and chunk.is_evaluated:
            self._evaluate()
            self._save()

    def _call_engine(self, call_rates: NDArray[np.float64], chunk: Chunk, done: int) -> None:
        began = time.perf_counter()
        num_steps = len(call_rates)
        every = self._run.statistics_every or None
        result = self._engine.run(self._minibatches.draw(num_steps), call_rates, self._position.step, every)
        self._position.step += len(result.losses)
        self._history.losses.append(result.losses)
        if result.statistics is not None:
            self._history.statistics.append(result.statistics)
        self._is_saved = False
        if result.failed_loss is not None:
            raise DivergenceError(self._describe_divergence("minibatch", result.failed_loss))
        seconds = time.perf_counter() - began
        self._position.seconds = time.perf_counter() - self._began
        self._steps_a_call = int(np.clip(num_steps * _SECONDS_A_CALL / max(seconds, 1e-9), 1, _LONGEST_CALL_STEPS))
        share = (done + num_steps) / chunk.num_steps
        progress = chunk.start + share * (chunk.stop - chunk.start)
        seconds = self._position.seconds
        self._report(ChunkDone(self._position.step, result.losses, progress, seconds, result.statistics))

    def _evaluate(self) -> None:
        weights = predictor(self._recipe, self._corpus.vocabulary.vocab_size, self._engine.weights())
        nll = evaluate(weights, self._corpus, "validation").nats_per_character
        self._is_saved = False
        position = self._position
        position.seconds = time.perf_counter() - self._began
        if not math.isfinite(nll):
            raise DivergenceError(self._describe_divergence("validation", nll))
        self._history.evaluated_steps.append(position.step)
        self._history.validation_nll.append(nll)
        is_best = position.best_nll is None or nll < position.best_nll
        if is_best:
            position.best_nll, position.best_step, position.evaluations_since_best = nll, position.step, 0
            if self._recipe.keep == "best":
                self._save_model()
        else:
            position.evaluations_since_best += 1
            patience = self._recipe.patience or (_PATIENCE if self._recipe.keep == "best" else None)
            if patience is not None and position.evaluations_since_best >= patience:
                self._stop_reason = self._stop_reason or "patience"
        self._report(Evaluated(position.step, nll, is_best))

    def _save(self) -> None:
        if self._is_saved:
            return
        weights, optimizer = self._engine.weights(), self._engine.optimizer_state()
        Checkpoint(weights, optimizer, self._minibatches.state(), self._position, self._history).save(self._run.path)
        if self._recipe.keep == "last" or self._position.best_nll is None:
            self._save_model()
        self._is_saved, self._saved_at = True, time.perf_counter()
        self._report(Saved(self._position.step))

    def _save_model(self) -> None:
        training = {"steps": self._position.step, "validation_nll": self._history.validation_nll[-1:]}
        model = pack_model(self._run, self._corpus, self._recipe.context, self._engine.weights(), training)
        save_model(self._run.path / MODEL_FILE, model)

    def _report(self, event: Event) -> None:
        for observer in self._observers:
            stop = observer.observe(event)
            if stop is not None:
                self._stop_reason = self._stop_reason or stop.reason

    def _describe_divergence(self, what: str, nll: float) -> str:
        kept = f"What was saved before stands in {self._run.path}." if self._history.evaluated_steps else ""
        return (
            f"The {what} NLL became {nll} after {self._position.step:,} steps at --learning-rate "
            f"{self._recipe.learning_rate:g}. {kept} Train with a smaller --learning-rate, or with --clip 1."
        )
