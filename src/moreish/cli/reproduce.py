"""`moreish reproduce`: the experiments of the lectures and notebooks, measured again beside what was published."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from moreish.cli.options import JsonOption, number_option
from moreish.cli.printing import count, duration, print_json, print_table, say
from moreish.cli.status import Status
from moreish.errors import InputError, ReproductionError
from moreish.recipe import EngineName

if TYPE_CHECKING:
    from moreish.experiments import Done


def reproduce(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID ...]", help="Of experiments; none lists them", show_default=False)
    ] = None,
    all_of_them: Annotated[bool, typer.Option("--all", help="Carry out every experiment")] = False,
    out: Annotated[str, typer.Option(metavar="DIR", help="Directory of measurements and table")] = "reproduced",
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="A copy of a data set, known by its content [by name]", show_default=False),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            metavar="|".join(EngineName.__args__), help="What carries out the steps; autograd gives every digit, slowly"
        ),
    ] = "auto",
    processes: Annotated[Any, number_option("--processes", "At a time [one a core]")] = None,
    json: JsonOption = False,
) -> None:
    """Repeat the experiments behind published numbers.

    Alone, it lists them. What was measured is kept: a call that was interrupted goes on when it is repeated.
    Those whose data set cannot be had are left out, and it ends with 2.
    """
    from moreish.experiments import experiments
    from moreish.experiments import reproduce as carry_out

    if all_of_them and ids:
        raise InputError(f"--all and {ids[0]} were both given. Give one of the two.")
    if not all_of_them and not ids:
        _list(json)
        return
    if engine not in EngineName.__args__:
        raise InputError(f"--engine is {engine}; expected one of {', '.join(EngineName.__args__)}.")
    if processes is not None and (not isinstance(processes, int) or processes < 1):
        raise InputError(f"--processes is {processes}; expected a whole number of at least 1.")
    with Status() as status:

        def report(done: "Done") -> None:
            if done.num_done or status.moves:
                status.show(_line(done))

        try:
            rows = carry_out(
                ids or list(experiments()),
                out=out,
                engine=engine,
                data=data or (),
                num_processes=processes,
                report=report,
            )
        except KeyboardInterrupt:
            status.close()
            say(f"What is done stands in {out}; the same command goes on from there.")
            raise
    if json:
        from moreish.experiments import to_json

        print_json(to_json(rows, engine))
    else:
        from moreish.experiments.tables import table

        print("\n".join(table(rows)))
    missing = [row.experiment.id for row in rows if row.is_missing]
    if missing:
        raise ReproductionError(
            f"{len(missing)} of {count(len(rows), 'experiment')} could not be carried out: {', '.join(missing)}. The "
            "table says why; what was measured is kept, and the same command makes up for the rest."
        )


def _list(is_json: bool) -> None:
    from moreish.experiments import experiments

    known = experiments().values()
    if is_json:
        names = ("id", "what", "source", "data", "kind", "is_later")
        print_json({"experiments": [{name: getattr(each, name) for name in names} for each in known]})
        return
    rows = [["id", "what", "source", "kind", "data"]]
    rows += [
        [each.id, each.what, each.source, "later" if each.is_later else each.kind, each.data or ""] for each in known
    ]
    print_table(rows, "<<<<<")
    first = next(each.id for each in known if not each.is_later)
    print(f"\nexact: every digit can come out; near: compared over seeds. Begin with: moreish reproduce {first}")
    print(
        "Data are downloaded when they are first needed, or taken from --data FILE; where none stand, none are needed."
    )


def _line(done: "Done") -> str:
    line = f"{done.num_done} of {count(done.num_tasks, 'measurement')} done"
    if done.task is not None:
        line += f", the last {done.task.experiment.id} (seed {done.task.seed})"
    if done.num_done < done.num_tasks and done.seconds_left is not None:
        line += f", about {duration(done.seconds_left)} left"
    return line
