"""Copies are told by all inputs of an example together; what recurs by itself is left in peace whatever holds it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from moreish.doctor import Evidence, judge
from moreish.doctor.probes.data import measure_data
from moreish.doctor.structures import take


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


IDS = torch.randint(9, (500, 3), generator=generator(0))
NUMBERS = torch.randn(500, 5, generator=generator(1))
LABELS = torch.randint(6, (500,), generator=generator(2))
ROWS = torch.cat([torch.arange(500), torch.randint(500, (300,), generator=generator(3))])

TABLES: dict[str, Any] = {
    "symbols and numbers": (IDS, NUMBERS),
    "numbers and symbols": (NUMBERS, IDS),
    "one symbol and numbers": (IDS[:, 0], NUMBERS),
    "numbers and their mask": (NUMBERS, (NUMBERS > 0).float()),
    "columns in a dict": {str(k): column for k, column in enumerate([*IDS.T, *NUMBERS.T])},
    "columns in a dict, numbers first": {str(k): column for k, column in enumerate([*NUMBERS.T, *IDS.T])},
    "many codes as numbers": torch.randint(30, (500, 14), generator=generator(4)).float(),
}


def named(inputs: Any, targets: Any, validation: Any = None) -> tuple[str, ...]:
    return judge(Evidence((), measure_data((inputs, targets), validation))).names


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("rows", [torch.arange(500).repeat(2), ROWS])
def test_copies_in_tables_are_named(name: str, rows: Tensor) -> None:
    assert named(take(TABLES[name], rows, 500), LABELS[rows]) == ("duplicates",)


@pytest.mark.parametrize("name", TABLES)
def test_tables_without_copies_are_left_in_peace(name: str) -> None:
    assert named(TABLES[name], LABELS) == ()


@pytest.mark.parametrize("name", TABLES)
def test_held_out_rows_that_stand_in_training_are_named(name: str) -> None:
    validation = take(TABLES[name], torch.arange(200), 500), LABELS[:200]
    assert named(TABLES[name], LABELS, validation) == ("split-overlap",)


def phrases(n: int) -> tuple[Tensor, Tensor]:
    """Windows of sixteen symbols of a language of twelve phrases; some recur by themselves."""
    words = [torch.randint(14, (1 + length,), generator=generator(length)) for length in (4, 5, 6, 7)]
    words += [torch.randint(14, (1 + length,), generator=generator(10 + length)) for length in (4, 5, 6, 7)] * 2
    chosen = torch.multinomial(1 / torch.arange(1.0, 13.0), 3000, True, generator=generator(4))
    text = torch.cat([words[k] for k in chosen.tolist()])
    starts = torch.randperm(len(text) - 17, generator=generator(5))[:n]
    return text[starts[:, None] + torch.arange(16)], text[starts + 16]


SYMBOLS, NEXT = phrases(1200)
LENGTHS = 16 - NEXT % 3
MASK = torch.arange(16) < LENGTHS[:, None]
LANGUAGES: dict[str, Any] = {
    "symbols": SYMBOLS,
    "one-hot": F.one_hot(SYMBOLS, 14).flatten(1).float(),
    "one-hot, two axes": F.one_hot(SYMBOLS, 14).float(),
    "codes as numbers": SYMBOLS.float(),
    "counts of symbols": F.one_hot(SYMBOLS, 14).sum(1).float(),
    "symbols and a mask": (SYMBOLS, MASK.long()),
    "symbols and a mask of numbers": (SYMBOLS, MASK.float()),
    "a mask of numbers, wide, and symbols": (MASK.float().repeat(1, 16), SYMBOLS),
    "symbols and lengths": (SYMBOLS, LENGTHS),
    "symbols and their targets": (SYMBOLS, NEXT),
    "columns in a dict": {str(k): column for k, column in enumerate(SYMBOLS.T)},
}


@pytest.mark.parametrize("name", LANGUAGES)
def test_phrases_recur_by_themselves_whatever_holds_them(name: str) -> None:
    data = measure_data((LANGUAGES[name], NEXT))
    assert data.context_repeats > 0.1
    assert judge(Evidence((), data)).names == ()


def visits(n: int, seed: int) -> tuple[Any, Tensor]:
    """Who bought what, for which price: everybody has a tenth of all things to choose from."""
    users = torch.randint(150, (n,), generator=generator(seed))
    items = (users * 7 + torch.randint(40, (n,), generator=generator(seed + 1))) % 400
    prices = torch.rand(400, generator=generator(6))[items]
    return (users, items, prices), (users % 2).float()


FORMS: dict[str, Callable[[Any], Any]] = {
    "user, item, price": lambda inputs: inputs,
    "price, user, item": lambda inputs: (inputs[2], inputs[0], inputs[1]),
    "a table": lambda inputs: torch.stack([item.float() for item in inputs], 1),
}


@pytest.mark.parametrize("name", FORMS)
def test_who_comes_again_is_no_copy(name: str) -> None:
    inputs, targets = visits(1500, 7)
    data = measure_data((FORMS[name](inputs), targets))
    assert data.context_repeats > 0.15
    assert judge(Evidence((), data)).names == ()
