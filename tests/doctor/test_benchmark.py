"""The benchmark of the doctor works from end to end: a fault and a healthy training are recorded, judged and mended."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from benchmarks.doctor import corpora, store
from benchmarks.doctor.alterations import INITIAL, WIRING
from benchmarks.doctor.architectures import ARCHITECTURES, HELD_OUT
from benchmarks.doctor.faults import EFFECT_NATS, EFFECT_SHARE, FAULTS, Case, cases, has_effect, is_harmful
from benchmarks.doctor.harm import harm
from benchmarks.doctor.healthy import HARD, hard_cases, plain
from benchmarks.doctor.intervals import clopper_pearson
from benchmarks.doctor.parts.fifth.corpora import badges, diary, formula, molecules, sensors, tunes
from benchmarks.doctor.parts.fifth.faults import FIFTH
from benchmarks.doctor.parts.fourth.corpora import in_words, picture, pulses, ratings, regimes, roman, spoken_numbers
from benchmarks.doctor.parts.fourth.faults import FOURTH
from benchmarks.doctor.parts.second.corpora import sums, tags_of_neighbours
from benchmarks.doctor.parts.third.corpora import brackets, documents, marked_sums, reversals, steps_under_noise
from benchmarks.doctor.parts.third.faults import THIRD
from benchmarks.doctor.record import record
from benchmarks.doctor.remedies import remedied
from benchmarks.doctor.repair import by_lot, chosen, is_repairable, is_restored, losses, repair
from benchmarks.doctor.score import score
from benchmarks.doctor.setting import healthy
from benchmarks.doctor.training import make_data, make_model, run
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
    assert len({case.fault.name for case in every if case.setting.is_held_out}) >= 40
    assert sum(case.setting.is_held_out for case in hard_cases()) >= 60
    for setting in (*(case.setting for case in every), *HARD.values()):
        assert {name for name, _ in setting.initial} <= INITIAL.keys()
        assert {name for name, _ in setting.wiring} <= WIRING.keys()


def test_networks_and_data_of_the_two_parts_are_never_mixed() -> None:
    tuned = {spec.corpus for name, spec in ARCHITECTURES.items() if name not in HELD_OUT}
    assert tuned.isdisjoint(corpora.HELD_OUT)
    assert all(ARCHITECTURES[name].corpus in corpora.HELD_OUT for name in HELD_OUT)
    assert len({ARCHITECTURES[name].corpus for name in HELD_OUT}) == len(HELD_OUT)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_network_answers_its_own_data_and_the_seed_says_all(name: str) -> None:
    setting = healthy(name, 3, num_train=80)
    data = make_data(setting)
    (x, y), again = data.train, make_data(setting).train
    torch.testing.assert_close((x, y), again, rtol=0, atol=0)
    out = make_model(setting, data)(x)
    if y.is_floating_point():
        assert out.shape == y.shape
        assert ARCHITECTURES[name].is_squared or set(y.unique().tolist()) == {0.0, 1.0}
    else:
        assert out.shape[:-1] == y.shape
        assert y.min() >= 0
        assert y.max() < out.shape[-1]
    assert not torch.equal(x, make_data(setting.having(seed=4)).train[0])


@pytest.mark.slow
def test_every_fault_can_be_planted_wherever_it_is_said_to_make_sense() -> None:
    for case in cases(1):
        short = case.setting.having(steps=2, num_train=max(case.setting.batch, 64))
        assert run(short, watched=False).chance > 0


def test_the_sums_are_right() -> None:
    text = "".join("+0123456789;="[index] for index in sums().tolist())
    found = re.findall(r"(?:^|;)(\d+)\+(\d+)=(\d+)(?=;)", text)
    assert len(found) > 5000
    assert all(int(a) + int(b) == int(c) for a, b, c in found)


def test_every_bracket_is_closed_by_its_own() -> None:
    text, open_ = "".join("()[]abcdef{}"[index] for index in brackets().tolist()), []
    for symbol in text:
        if symbol in "([{":
            open_.append(symbol)
        elif symbol in ")]}":
            assert open_.pop() + symbol in ("()", "[]", "{}")
        else:
            assert open_[-1] == "([{"["abcdef".index(symbol) // 2]
        assert len(open_) <= 6
    assert {text.count(bracket) > 2000 for bracket in "([{"} == {True}


def test_the_data_of_the_third_part_say_what_they_claim() -> None:
    x, y = marked_sums().draw("series", 4096, "train", 1, 0)
    is_marked = x[..., 1] > 0
    assert (is_marked.sum(1) == 2).all()
    told = (x[..., 0] * is_marked).sum(1) / 2**0.5
    assert (told - y[:, 0]).std() == pytest.approx(0.1, rel=0.1)
    x, y = reversals().draw("tags", 4096, "train", 1, 0)
    table = torch.zeros(12, 12).index_put_((x.flip(1).flatten(), y.flatten()), torch.ones(1), accumulate=True)
    assert table.max(1).values.sum() / y.numel() == pytest.approx(0.95 + 0.05 / 12, abs=0.01)
    x, y = steps_under_noise().draw("signals", 4096, "train", 1, 0)
    assert (x.std(), y.std()) == (pytest.approx(1, rel=0.05), pytest.approx(1, rel=0.05))
    assert (y[..., 1:] != y[..., :-1]).sum(-1).max() <= 4
    x, y = documents().draw("bag", 4096, "train", 1, 0)
    counts = torch.stack([(x // 20 == topic).sum(1) for topic in range(5)], 1)
    assert counts[y == 1].float().mean() > counts[y == 0].float().mean() + 3


def test_numbers_are_written_as_they_are_spoken_and_as_the_romans_did() -> None:
    assert [in_words(n) for n in (1, 20, 42, 300, 719)] == ["one", "twenty", "forty-two", "three hundred",
                                                            "seven hundred nineteen"]  # fmt: skip
    assert [roman(n) for n in (4, 9, 14, 49, 399)] == ["IV", "IX", "XIV", "XLIX", "CCCXCIX"]
    assert len({in_words(n) for n in range(1, 1000)}) == 999
    known = {in_words(n) for n in range(1, 1000)}
    letters = sorted(set("".join(known)) | {";"})
    assert set("".join(letters[index] for index in spoken_numbers().tolist()).strip(";").split(";")) <= known


def test_the_data_of_the_fourth_part_say_what_they_claim() -> None:
    x, y = pulses("pulses", torch.ones(6)).draw("recordings", 4096, "train", 1, 0)
    thirds = x.view(-1, 4, 8, 2).mean((0, 2))  # no order is more frequent, so that no place tells a channel
    assert thirds.std(0).max() < 0.15
    first = x[y == 0]  # up in the first channel, up in the second, down in both
    assert first[:, 2:9, 0].mean() > 0.5 > first[:, 2:9, 1].mean()
    assert first[:, 13:20, 1].mean() > 0.5 > first[:, 13:20, 0].mean()
    pairs = {part: ratings().draw("ratings", n, part, 1, 0)[0] for part, n in (("train", 12288), ("validation", 1024))}
    seen = {part: {tuple(pair) for pair in rows.tolist()} for part, rows in pairs.items()}
    assert (len(seen["train"]), len(seen["validation"])) == (12288, 1024)
    assert seen["train"].isdisjoint(seen["validation"])
    _, y = picture().draw("numbers", 8192, "train", 1, 0)
    assert y.std() == pytest.approx(1, rel=0.05)
    x, y = regimes("regimes", torch.ones(4)).draw("table", 8192, "train", 1, 0)
    means = torch.stack([x[y == label, 2:].mean(0) for label in range(4)])
    within = (x[:, :2] <= 0).all(1)
    inside = torch.stack([x[within & (y == label), 2:].mean(0) for label in range(4)])
    assert inside.std(0).mean() > 1.5 * means.std(0).mean()  # what tells the classes apart depends on the regime


def test_the_data_of_the_fifth_part_say_what_they_claim() -> None:
    notes = tunes()
    assert (notes[4:] == notes[:-4]).float().mean() > 0.5
    days = "".join(" 0123456789acefhmorstuw"[index] for index in diary().tolist()).split(" ")[:-1]
    numbers = [int(day[2:4]) for day in days]
    assert {day[:2] for day in days[::7]} == {"mo"}
    assert all(after == before + 1 or (before in (30, 31) and after == 1) for before, after in pairwise(numbers))
    assert [formula(1, ""), formula(2, "OH"), formula(3, "")] == ["CH4", "C2H5OH", "C3H8"]
    x, y = badges("badges", torch.ones(6)).draw("pictures", 8192, "train", 1, 0)
    light = x.sum((2, 3)) / 1.5  # inner and outer colour, of 16 and 20 points
    torch.testing.assert_close(light[y == 1].mean(0), torch.tensor([16.0, 0.0, 20.0]), rtol=0, atol=1)
    x, y = molecules().draw("graphs", 4096, "train", 1, 0)
    bonds = x[..., 4:]
    torch.testing.assert_close(bonds, bonds.transpose(1, 2), rtol=0, atol=0)
    assert bonds.diagonal(dim1=1, dim2=2).sum() == 0
    assert y.var() == pytest.approx(1.16, rel=0.05)
    x, y = sensors().draw("numbers", 4096, "train", 1, 0)
    assert (x - y).std() == pytest.approx(0.4, rel=0.02)


def test_severities_of_a_networks_own_are_planted_by_the_names_of_faults_and_networks() -> None:
    faults = {fault.name: fault for fault in FAULTS}
    assert set().union(*FIFTH.values()) == set(HELD_OUT)
    for part in (THIRD, FOURTH, FIFTH):
        for name, networks in part.items():
            assert set(networks) <= ARCHITECTURES.keys()
            assert set(faults[name].architectures).isdisjoint(networks)
            for network, amounts in networks.items():
                assert faults[name].networks[network] == (amounts or faults[name].severities)
    tuned = (*THIRD.values(), *FOURTH.values(), *(fault.architectures for fault in FAULTS))
    assert set(HELD_OUT).isdisjoint(set().union(*tuned))
    assert all(len(set(amounts)) == 3 for fault in FAULTS for amounts in fault.networks.values())


def test_what_a_fault_costs_is_told_in_effects(capsys: pytest.CaptureFixture[str]) -> None:
    harm(["likelihood of what is no logarithm, wavenet"], num_seeds=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(", ")[2].split(":")[0] for line in lines] == ["softmax", "sigmoid", "logits"]
    assert all(float(line.split(": ")[1].split(" ")[0]) > 2 for line in lines)


def test_a_plain_twin_sees_as_many_examples_and_the_same_data() -> None:
    for setting in HARD.values():
        twin = plain(setting)
        of_twin, of_setting = (make_data(s.having(num_train=64)).train[1] for s in (twin, setting))
        torch.testing.assert_close(of_twin, of_setting, rtol=0, atol=0)
        assert twin.steps * twin.batch == pytest.approx(setting.steps * setting.batch, rel=0.02)
        assert plain(twin) == twin


def test_a_tag_is_told_by_both_neighbours_and_by_neither_alone() -> None:
    x, y = tags_of_neighbours().draw("tags", 4096, "train", 1, 0)
    here = y[:, 1:-1].flatten()

    def share_right(*keys: torch.Tensor) -> float:
        table: dict[tuple[int, ...], list[int]] = {}
        for *key, tag in zip(*(k.flatten().tolist() for k in keys), here.tolist(), strict=True):
            table.setdefault(tuple(key), []).append(tag)
        return sum(max(tags.count(tag) for tag in set(tags)) for tags in table.values()) / len(here)

    before, itself, after = x[:, :-2], x[:, 1:-1], x[:, 2:]
    assert share_right(before, after) > 0.93
    assert share_right(before, itself) < 0.8
    assert share_right(itself, after) < 0.8


@pytest.mark.parametrize(("name", "twin", "effect"), [("mlp", 2.0, EFFECT_NATS), ("tanhnet", 0.5, 0.5 * EFFECT_SHARE)])
def test_harm_is_twice_an_effect_and_what_lies_between_is_mild(name: str, twin: float, effect: float) -> None:
    for factor, is_kept, is_between in (
        (0.9, False, False),
        (1.1, False, True),
        (1.9, False, True),
        (2.1, True, False),
    ):
        loss = twin + factor * effect
        assert is_harmful(healthy(name), loss, twin) == is_kept
        assert has_effect(healthy(name), loss, twin) == (is_kept or is_between)


def test_another_text_is_another_version_and_the_figures_say_which_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    caches = (corpora.running_text, corpora.text_in_words, store.version)
    versions = []
    for text in ("To be, or not to be. " * 50, "All the world's a stage. " * 50):
        (tmp_path / "tinyshakespeare.txt").write_text(text)
        monkeypatch.setenv("MOREISH_DATA", str(tmp_path))
        for function in caches:
            function.cache_clear()
        versions.append(store.version())
    record([healthy("regressor", steps=5, num_train=64, examined=32)], tmp_path / "evidence", processes=1)
    score(tmp_path / "evidence", details=False)
    for function in caches:
        function.cache_clear()
    assert versions[0] != versions[1]
    assert "Running text of 1 records: Tiny Shakespeare, 1,250 characters, SHA-256" in capsys.readouterr().out


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
