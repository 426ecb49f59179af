"""When a training is branched from, and what is tried: branches cost as much as some steps, so there is a reason."""

import math
from collections.abc import Sequence
from statistics import median

from moreish.doctor.evidence import Branch, Look, Update

MAX_BRANCHINGS, BRANCH_STEPS = 3, 16
FIRST_STEP = 100
"""A training may still be warming up before."""
FIRST_HIGHER = 200
"""So may one whose steps seem too short."""
PULL = 0.3
"""Pull of weight decay over that of the gradient from which a branch without it is worth its cost."""
APART = 10.0
"""How many times as far as all parameters together the typical one may move."""
THROWN = 0.2
"""Step over parameters, both as lengths, from which a step throws them about: a hundred times what is usual."""
FAR = 0.05
"""The same from which it may be the rate that is at fault where decay pulls hard."""
USUAL = 1e-3
"""The same in a training that gets on; a rate whose steps are smaller is not too high, one whose are larger not too
low."""
TINY = 3e-4
"""The same where steps creep."""
MODEST = 3e-3
"""The same up to which steps thirty times as long may do: once, a branch is worth its cost there."""
LOWER, LOWEST, MODERATE, HIGHER = (0.1,), (1e-2, 1e-4), (30.0,), (30.0, 1e3, 1e4)
"""Factors of the rate that are tried; the lowest where all others diverge."""
_STALL = 0.02  # relative fall of the loss below which it may be worth asking why


def what_to_try(losses: Sequence[float], looks: Sequence[Look]) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Factors of the rate and of the decay to branch with, besides both as they are; None where nothing asks for it.

    Args:
        losses: of every step so far.
        looks: so far, the present one last.
    """
    now, earlier = looks[-1], [look for look in looks if look.step > 0 and look.rates is not None]
    if now.step < FIRST_STEP or len(earlier) >= MAX_BRANCHINGS:
        return None
    settled = [look for look in looks if look.step >= FIRST_HIGHER]
    largest, later = (largest_move([look.updates for look in chosen if look.updates]) for chosen in (looks, settled))
    is_odd = largest is not None and (largest >= THROWN or largest < USUAL)
    is_modest = later is not None and later < MODEST
    if max((update.decay for update in now.updates or ()), default=0.0) > PULL:
        return LOWER if largest is not None and largest >= FAR else (), (0.0,)
    has_tried = any(look.step >= FIRST_HIGHER and branch.factor > 1 for look in earlier for branch in _branches(look))
    higher = (MODERATE if has_fallen(losses, looks) else HIGHER) if is_modest and not has_tried else ()
    if not is_odd and not has_stalled(losses):
        return (higher, ()) if higher else None
    if largest is None:
        return (*LOWER, *HIGHER), ()
    return ((*LOWER, *higher) if largest >= USUAL else HIGHER), ()


def _branches(look: Look) -> Sequence[Branch]:
    return () if look.rates is None else look.rates.branches


def largest_move(looks: Sequence[tuple[Update, ...]]) -> float | None:
    """Of the looks, the largest median over parameters of a step's length over theirs; None where it was not seen."""
    return max((_move(updates) for updates in looks if any(u.moved == u.moved for u in updates)), default=None)


def _move(updates: Sequence[Update]) -> float:
    seen = [update for update in updates if update.moved == update.moved]
    middle, length = median(update.moved for update in seen), math.hypot(*(update.size for update in seen))
    if middle < THROWN or not 0 < length < math.inf:
        return middle
    # Parameters that began as zeros move far beside themselves; beside all that there is, it is little.
    return min(middle, APART * math.hypot(*(update.moved * update.size for update in seen)) / length)


def untouched_look(looks: Sequence[Look], early: int) -> Look | None:
    """The first look at operations, up to step `early`; None where steps have thrown the parameters about before it."""
    look = next((look for look in looks if look.sites is not None and look.step <= early), None)
    if look is None or (look.step > 0 and (largest_move([look.updates or ()]) or 0.0) >= THROWN):
        return None
    return look


def has_fallen(losses: Sequence[float], looks: Sequence[Look]) -> bool:
    """Whether the loss fell by more than a little since the first steps; of the same examples, where they were given.

    Args:
        losses: of every step so far.
        looks: so far.
    """
    of_looks = [look.train_losses for look in looks if look.train_losses and look.step > 0]
    if len(of_looks) > 1:
        return sum(of_looks[-1]) < (1 - _STALL) * sum(of_looks[0])
    return len(losses) > 32 and median(losses[-16:]) < (1 - _STALL) * median(losses[:16])


def has_stalled(losses: Sequence[float]) -> bool:
    """Whether the loss hardly fell, or rose, from the second quarter of the steps to the last."""
    quarter = len(losses) // 4
    earlier, later = median(losses[quarter : 2 * quarter]), median(losses[-quarter:])
    return not later < (1 - _STALL) * earlier
