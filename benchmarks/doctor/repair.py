"""The remedy of the finding named first, tried on every repairable fault, and a random one beside it."""

import gzip
import json
import random
from pathlib import Path

from benchmarks.doctor import store
from benchmarks.doctor.faults import Case, has_effect
from benchmarks.doctor.record import carry_out
from benchmarks.doctor.remedies import REMEDIES, remedied
from benchmarks.doctor.setting import Setting
from benchmarks.doctor.training import run
from benchmarks.doctor.verdicts import Verdict

RESTORED = 0.8


def is_repairable(case: Case, verdicts: dict[str, Verdict]) -> bool:
    """Whether there is a loss to be won back: the fault had an effect, guessing being the worst."""
    run_, twin = verdicts[case.setting.key], verdicts[case.twin.key]
    return has_effect(case.setting, run_.bounded, twin.bounded)


def chosen(case: Case, verdicts: dict[str, Verdict]) -> tuple[Setting, ...]:
    """The settings after the remedy of what was named first; as it is where nothing was."""
    first = verdicts[case.setting.key].first
    return (case.setting,) if first is None else remedied(case.setting, first)


def by_lot(case: Case) -> tuple[Setting, ...]:
    """The settings after a remedy drawn from the same table."""
    return remedied(case.setting, random.Random(case.setting.key).choice(sorted(REMEDIES)))


def is_restored(
    case: Case, tried: tuple[Setting, ...], known: dict[str, float], verdicts: dict[str, Verdict]
) -> bool | None:
    """Whether at least 80% of the lost loss came back with the best of the settings; None if one was not trained."""
    if not all(setting.key in known for setting in tried):
        return None
    loss = min(known[setting.key] for setting in tried)
    run_, twin = verdicts[case.setting.key], verdicts[case.twin.key]
    return run_.bounded - min(loss, run_.chance) >= RESTORED * (run_.bounded - twin.bounded)


def repair(cases: list[Case], verdicts: dict[str, Verdict], directory: Path, processes: int) -> None:
    """Train again with both remedies, where that was not done before."""
    todo = {
        setting.key: setting
        for case in cases
        if is_repairable(case, verdicts)
        for setting in (*chosen(case, verdicts), *by_lot(case))
    }
    known = losses(directory, verdicts)
    missing = [setting for key, setting in todo.items() if key not in known]
    print(f"{len(todo):,} trainings after a remedy, {len(todo) - len(missing):,} known already.", flush=True)
    store.mend(directory)
    carry_out(_trained, missing, lambda _, line: store.append(line, directory / "remedies.jsonl.gz"), processes)


def losses(directory: Path, verdicts: dict[str, Verdict]) -> dict[str, float]:
    """Final losses by key: of remedied trainings, and of those that were watched anyway."""
    current = store.version()
    lines = [json.loads(line) for line in store.read(directory / "remedies.jsonl.gz")]
    found = {line["key"]: line["loss"] for line in lines if line["version"] == current}
    return {**{key: verdict.loss for key, verdict in verdicts.items()}, **found}


def _trained(setting: Setting) -> bytes:
    try:
        loss = run(setting, watched=False).loss
    except Exception:  # a remedy that makes the training impossible restores nothing
        loss = 1e9
    line = json.dumps({"key": setting.key, "version": store.version(), "loss": loss}) + "\n"
    return gzip.compress(line.encode())
