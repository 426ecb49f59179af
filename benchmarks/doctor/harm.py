"""python -m benchmarks.doctor.harm [NAME …]: what the faults of held-out networks cost, without asking the doctor.

Each line tells a fault, a network, the severity, by how many effects (0.05 nats, or 10% of a squared error) the final
loss is above that of the healthy twin, mean of two seeds and each of them, and the final loss of the twin. From two
effects on a fault counts.
"""

import sys

import torch
from benchmarks.doctor.faults import Case, cases, effect
from benchmarks.doctor.setting import Setting
from benchmarks.doctor.training import run


def harm(names: list[str], num_seeds: int = 2) -> None:
    """A line for each severity of a fault in a network where both names together contain one of the names."""
    torch.set_num_threads(1)
    known: dict[Setting, float] = {}

    def loss(setting: Setting) -> float:
        if setting not in known:
            known[setting] = run(setting, watched=False).loss
        return known[setting]

    found: dict[tuple[str, int], list[Case]] = {}
    for case in cases(num_seeds):
        place = f"{case.fault.name}, {case.setting.architecture}"
        if case.setting.is_held_out and any(name in place for name in names or [""]):
            found.setdefault((place, case.severity), []).append(case)
    for (place, severity), group in found.items():
        effects = [(loss(case.setting) - loss(case.twin)) / effect(case.twin, loss(case.twin)) for case in group]
        twin, each = sum(loss(case.twin) for case in group) / len(group), ", ".join(f"{x:.1f}" for x in effects)
        amount = group[0].fault.networks[group[0].setting.architecture][severity - 1]
        print(f"{place}, {amount}: {sum(effects) / len(effects):.1f} ({each}); twin {twin:.3f}", flush=True)


if __name__ == "__main__":
    harm(sys.argv[1:])
