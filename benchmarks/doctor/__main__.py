"""python -m benchmarks.doctor record | repair | score: README.md says what each does."""

import argparse
import time

from benchmarks.doctor import store
from benchmarks.doctor.faults import NUM_SEEDS, cases
from benchmarks.doctor.healthy import NUM_NULL
from benchmarks.doctor.record import plan, record
from benchmarks.doctor.repair import repair
from benchmarks.doctor.score import is_kept, score
from benchmarks.doctor.verdicts import judge_all


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.doctor", description="How often the doctor is right.")
    parser.add_argument("step", choices=("record", "repair", "score"))
    parser.add_argument("names", nargs="*", help="record: only faults and hard healthy kinds whose name contains one")
    parser.add_argument("--seeds", type=int, default=NUM_SEEDS, help="of each fault")
    parser.add_argument("--null", type=int, default=NUM_NULL, help="null trainings")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--short", action="store_true", help="score: the figures only, without table and misses")
    arguments = parser.parse_args()
    began = time.monotonic()
    if arguments.step == "record":
        record(plan(arguments.names, arguments.seeds, arguments.null), processes=arguments.processes)
    elif arguments.step == "repair":
        verdicts = judge_all()
        known = [case for case in cases() if {case.setting.key, case.twin.key} <= verdicts.keys()]
        repair([c for c in known if is_kept(c, verdicts)], verdicts, store.DIRECTORY, arguments.processes)
    else:
        score(details=not arguments.short)
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
