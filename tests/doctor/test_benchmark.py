"""The benchmark of the doctor works from end to end: a fault and a healthy training are recorded, judged and mended."""

from pathlib import Path

import pytest
from benchmarks.doctor import store
from benchmarks.doctor.alterations import INITIAL, WIRING
from benchmarks.doctor.faults import FAULTS, Case, cases, is_harmful
from benchmarks.doctor.healthy import HARD, hard_cases
from benchmarks.doctor.intervals import clopper_pearson
from benchmarks.doctor.record import record
from benchmarks.doctor.remedies import remedied
from benchmarks.doctor.repair import by_lot, chosen, is_repairable, is_restored, losses, repair
from benchmarks.doctor.setting import healthy
from benchmarks.doctor.verdicts import judge_all

from moreish.doctor.checks import ALL_CHECKS


def test_a_fault_is_recorded_named_and_mended_and_its_healthy_twin_is_left_in_peace(tmp_path: Path) -> None:
    fault = next(fault for fault in FAULTS if fault.name == "softmax before the loss")
    twin = healthy("mlp")
    case = Case(fault, 2, fault.plant(twin, fault.severities[1]), twin)
    record([case.twin, case.setting], tmp_path, processes=1)
    verdicts = judge_all(tmp_path)
    faulty, well = verdicts[case.setting.key], verdicts[case.twin.key]
    assert (faulty.first, well.names, faulty.error) == ("softmax-twice", (), None)
    assert is_harmful(case.setting, faulty.loss, well.loss)
    assert is_repairable(case, verdicts)
    assert chosen(case, verdicts) == (twin,)
    assert is_restored(case, by_lot(case), {}, verdicts) is None
    repair([case], verdicts, tmp_path, processes=1)
    known = losses(tmp_path, verdicts)
    assert is_restored(case, chosen(case, verdicts), known, verdicts)
    assert is_restored(case, by_lot(case), known, verdicts) is not None
    assert not is_restored(case, (case.setting,), known, verdicts)


def test_what_is_recorded_is_not_done_again_and_a_torn_end_is_cut_off(tmp_path: Path) -> None:
    settings = [healthy("regressor", seed, steps=5, num_train=64, examined=32) for seed in range(2)]
    record(settings, tmp_path, processes=1)
    assert store.recorded(tmp_path) == {setting.key for setting in settings}
    sizes = {path: path.stat().st_size for path in tmp_path.iterdir()}
    torn = store.shard(settings[0].key, tmp_path)
    with open(torn, "ab") as file:
        file.write(torn.read_bytes()[:100])
    record(settings, tmp_path, processes=1)
    assert {path: path.stat().st_size for path in tmp_path.iterdir()} == sizes


def test_the_catalogue_holds_what_is_promised() -> None:
    every = list(cases())
    assert len(FAULTS) >= 30
    assert len({case.setting.key for case in every}) == len(every)
    assert {len(fault.severities) for fault in FAULTS} == {3}
    assert len({case.setting.seed for case in every}) == 5
    assert len({case.setting.architecture for case in every}) >= 4
    assert {case.setting.is_held_out for case in every} == {True, False}
    assert len(list(hard_cases())) >= 150
    for setting in (*(case.setting for case in every), *HARD.values()):
        assert {name for name, _ in setting.initial} <= INITIAL.keys()
        assert {name for name, _ in setting.wiring} <= WIRING.keys()


def test_a_planted_fault_is_mended_by_the_remedy_of_its_finding() -> None:
    names = {check.name for check in ALL_CHECKS}
    for case in cases(1):
        expected = [name for name in case.fault.expected if name in names]
        assert not expected or any(case.setting not in remedied(case.setting, name) for name in expected)


@pytest.mark.parametrize(  # Clopper & Pearson by the closed forms for no success, and Johnson & Kotz's table
    ("successes", "trials", "low", "high"), [(0, 3000, 0.0, 0.0012289), (0, 10, 0.0, 0.30850), (10, 10, 0.69150, 1.0),
                                             (3, 10, 0.06674, 0.65245)]
)  # fmt: skip
def test_intervals_are_exact(successes: int, trials: int, low: float, high: float) -> None:
    assert clopper_pearson(successes, trials) == (pytest.approx(low, abs=1e-5), pytest.approx(high, abs=1e-5))
