"""What the verdicts are worth: detection, cause, false alarms, remedies; tuned and held-out apart."""

from collections import Counter
from pathlib import Path

from benchmarks.doctor import store
from benchmarks.doctor.faults import NUM_SEEDS, Case, cases, has_effect, is_harmful
from benchmarks.doctor.healthy import NUM_NULL, HealthyCase, hard_cases, null_cases
from benchmarks.doctor.intervals import share
from benchmarks.doctor.repair import by_lot, chosen, is_repairable, is_restored, losses
from benchmarks.doctor.verdicts import Verdict, judge_all

OTHERS = """Other tools, on other data, so not comparable one to one: DEFault 2025, real bugs: detection precision .93,
recall .94, cause .63; DeepDiagnosis 2022: 28 of 53 fixes; AutoTrainer, 52 real bugs: precision .25, recall .22."""


def score(directory: Path = store.DIRECTORY, details: bool = True) -> None:
    """Judge all that is recorded, and print the tables."""
    verdicts = judge_all(directory)
    every = [case for case in cases(NUM_SEEDS) if {case.setting.key, case.twin.key} <= verdicts.keys()]
    hard = [case for case in hard_cases() if case.setting.key in verdicts]
    null = [case for case in null_cases(NUM_NULL) if case.setting.key in verdicts]
    repaired = losses(directory, verdicts)
    for text, count in Counter(verdict.text for verdict in verdicts.values()).items():
        print(f"Running text of {count:,} records: {text}")
    for name, is_held_out in (("tuned", False), ("held out", True)):
        table(
            name,
            [case for case in every if case.setting.is_held_out == is_held_out],
            [case for case in hard if case.setting.is_held_out == is_held_out],
            [case for case in null if case.setting.is_held_out == is_held_out],
            verdicts,
            repaired,
        )
    print(f"\nAll hard healthy trainings: alarms {alarms(hard, verdicts)}")
    print(f"All null trainings: alarms {alarms(null, verdicts)}")
    print(OTHERS)
    if details:
        confusion(every, verdicts)
        misses(every, hard, null, verdicts, repaired)


def is_kept(case: Case, verdicts: dict[str, Verdict]) -> bool:
    """Whether the fault counts: wrong by construction, or really worse than its healthy twin."""
    return case.fault.by_construction or is_harmful(
        case.setting, verdicts[case.setting.key].loss, verdicts[case.twin.key].loss
    )


def is_too_mild(case: Case, verdicts: dict[str, Verdict]) -> bool:
    """Whether the fault had an effect, but too small a one to count."""
    loss, twin_loss = verdicts[case.setting.key].loss, verdicts[case.twin.key].loss
    return has_effect(case.setting, loss, twin_loss) and not is_kept(case, verdicts)


def table(
    name: str, every: list[Case], hard: list[HealthyCase], null: list[HealthyCase],
    verdicts: dict[str, Verdict], repaired: dict[str, float],
) -> None:  # fmt: skip
    """One part's figures."""
    kept = [case for case in every if is_kept(case, verdicts)]
    mild = [case for case in every if is_too_mild(case, verdicts)]
    twins = list({case.twin.key for case in every})
    detected = sum(verdicts[case.setting.key].first is not None for case in kept)
    right = sum(verdicts[case.setting.key].first in case.fault.expected for case in kept)
    among = sum(bool(set(verdicts[case.setting.key].names) & set(case.fault.expected)) for case in kept)
    false = sum(verdicts[case.setting.key].first is not None for case in hard)
    twin_alarms = sum(verdicts[key].first is not None for key in twins)
    repairable = [case for case in kept if is_repairable(case, verdicts)]
    results = [is_restored(case, chosen(case, verdicts), repaired, verdicts) for case in repairable]
    restored = [result for result in results if result is not None]
    results = [is_restored(case, by_lot(case), repaired, verdicts) for case in repairable]
    by_luck = [result for result in results if result is not None]
    kinds = len({case.fault.name for case in kept})
    print(f"\n{name}: {len(every):,} faulty trainings, {len(kept):,} kept, of {kinds} kinds")
    print("| figure | share (of; 95% interval) |\n|---|---|")
    rows = [
        ("detection, recall", detected, len(kept)),
        ("detection, precision", detected, detected + false + twin_alarms),
        ("right cause named first", right, len(kept)),
        ("right cause named at all", among, len(kept)),
        ("too mild to count: found", sum(verdicts[case.setting.key].first is not None for case in mild), len(mild)),
        ("alarms in hard healthy trainings", false, len(hard)),
        ("alarms in healthy twins", twin_alarms, len(twins)),
        ("alarms in null trainings", sum(verdicts[case.setting.key].first is not None for case in null), len(null)),
        ("80% of the loss restored, remedy of the first finding", sum(restored), len(restored)),
        ("80% of the loss restored, random remedy", sum(by_luck), len(by_luck)),
    ]
    for title, successes, trials in rows:
        print(f"| {title} | {share(successes, trials)} |")


def alarms(healthy: list[HealthyCase], verdicts: dict[str, Verdict]) -> str:
    return share(sum(verdicts[case.setting.key].first is not None for case in healthy), len(healthy))


def confusion(every: list[Case], verdicts: dict[str, Verdict]) -> None:
    """What was named first, fault by fault and severity by severity."""
    print("\n| fault | kept | right at 1, 2, 3 | named first |\n|---|---|---|---|")
    for name in dict.fromkeys(case.fault.name for case in every):
        group = [case for case in every if case.fault.name == name]
        kept = [case for case in group if is_kept(case, verdicts)]
        by_severity = []
        for severity in (1, 2, 3):
            these = [case for case in kept if case.severity == severity]
            right = sum(verdicts[case.setting.key].first in case.fault.expected for case in these)
            by_severity.append(f"{right}/{len(these)}")
        counts = Counter(verdicts[case.setting.key].first or "nothing" for case in kept)
        named = ", ".join(f"{first} {count}" for first, count in counts.most_common())
        print(f"| {name} | {len(kept)} of {len(group)} | {', '.join(by_severity)} | {named} |")


def misses(
    every: list[Case], hard: list[HealthyCase], null: list[HealthyCase],
    verdicts: dict[str, Verdict], repaired: dict[str, float],
) -> None:  # fmt: skip
    """Every verdict that was wrong, by name."""
    print("\nHealthy trainings with an alarm:")
    for case in (*hard, *null):
        verdict = verdicts[case.setting.key]
        if verdict.names or verdict.error:
            said = verdict.error or f"{', '.join(verdict.names)} ({verdict.evidence})"
            print(f"  {case.kind}, {case.setting.architecture}, seed {case.setting.seed}: {said}")
    for key, case in {case.twin.key: case for case in every}.items():
        if verdicts[key].names or verdicts[key].error:
            said = verdicts[key].error or f"{', '.join(verdicts[key].names)} ({verdicts[key].evidence})"
            print(f"  healthy twin, {case.twin.architecture}, seed {case.twin.seed}: {said}")
    print("\nFaults not named first (fault, severity, architecture: what was named, in how many of how many seeds):")
    wrong: Counter[tuple[str, int, str, str]] = Counter()
    total: Counter[tuple[str, int, str]] = Counter()
    for case in every:
        if is_kept(case, verdicts):
            place = (case.fault.name, case.severity, case.setting.architecture)
            verdict = verdicts[case.setting.key]
            total[place] += 1
            if verdict.first not in case.fault.expected:
                said = verdict.error or ", ".join(verdict.names) or "nothing"
                also = f" (folded: {', '.join(verdict.explained)})" if verdict.explained else ""
                wrong[(*place, said + also)] += 1
    for (*place, said), count in wrong.items():
        print(f"  {place[0]}, {place[1]}, {place[2]}: {said}; {count} of {total[tuple(place)]}")
    print("\nRemedies that did not restore the loss (fault, severity, architecture, finding):")
    failed: Counter[str] = Counter()
    for case in every:
        if not is_kept(case, verdicts) or not is_repairable(case, verdicts):
            continue
        if is_restored(case, chosen(case, verdicts), repaired, verdicts) is False:
            first = verdicts[case.setting.key].first or "nothing"
            failed[f"{case.fault.name}, {case.severity}, {case.setting.architecture}: {first}"] += 1
    for name, count in sorted(failed.items()):
        print(f"  {name}; {count}")
