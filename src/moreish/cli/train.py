"""`moreish train`: from a file to a run, its figures and its first items."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from moreish.cli import settings
from moreish.cli.options import (
    ColumnOption,
    ContextOption,
    EncodingOption,
    JsonOption,
    KindOption,
    NormalizationOption,
    SplitOption,
    given,
    number_option,
    setting,
)
from moreish.cli.printing import print_json, say
from moreish.cli.results import show_run

if TYPE_CHECKING:
    from moreish.cli.progress import Progress

EXIT_INTERRUPTED = 130


def train(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="A text file, a data set by name, or - [names]")
    ] = None,
    out: Annotated[str | None, typer.Option(metavar="RUN", help="Directory of the run [runs/NAME-N]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out")] = False,
    origin: Annotated[
        str | None, typer.Option("--recipe", metavar="RUN|FILE.toml", help="Repeat a run, or take fields from a file")
    ] = None,
    kind: KindOption = None,
    steps: Annotated[Any, setting("steps", "Updates")] = None,
    minutes: Annotated[Any, setting("minutes", "Time budget instead of --steps, such as 0.5")] = None,
    seed: settings.Seed = None,
    model: settings.Model = None,
    context: ContextOption = None,
    embedding: settings.Embedding = None,
    hidden: settings.Hidden = None,
    activation: settings.Activation = None,
    norm: settings.Norm = None,
    optimizer: settings.Optimizer = None,
    learning_rate: Annotated[Any, setting("learning_rate", "At the top of the schedule")] = None,
    schedule: Annotated[Any, setting("schedule", "Course of the learning rate")] = None,
    batch: settings.Batch = None,
    dropout: settings.Dropout = None,
    weight_decay: settings.WeightDecay = None,
    clip: settings.Clip = None,
    eval_every: Annotated[Any, setting("eval_every", "Steps between validations [about 25 in a training]")] = None,
    patience: Annotated[
        Any, setting("patience", "Validations without improvement before it stops [25 with --keep best]")
    ] = None,
    keep: Annotated[Any, setting("keep", "Weights that were best on validation, or the last")] = None,
    split: SplitOption = None,
    encoding: EncodingOption = None,
    column: ColumnOption = None,
    normalization: NormalizationOption = None,
    order: Annotated[Any, setting("order", "Of --model ngram [what is best on validation]")] = None,
    smoothing: Annotated[Any, setting("smoothing", "Of --model bigram: added to every count")] = None,
    init: settings.Init = None,
    gain: settings.Gain = None,
    bias: settings.Bias = None,
    bias_scale: settings.BiasScale = None,
    head_init: settings.HeadInit = None,
    head_scale: settings.HeadScale = None,
    head_bias_scale: settings.HeadBiasScale = None,
    norm_output: settings.NormOutput = None,
    norm_convention: settings.NormConvention = None,
    momentum: settings.Momentum = None,
    beta1: settings.Beta1 = None,
    beta2: settings.Beta2 = None,
    warmup: Annotated[Any, setting("warmup", "Share of the training in which the rate rises")] = None,
    decay_at: Annotated[Any, setting("decay_at", "Of --schedule step: share after which the rate drops")] = None,
    decay_factor: Annotated[Any, setting("decay_factor", "Of --schedule step: factor of that drop")] = None,
    final_share: Annotated[Any, setting("final_share", "Of linear and cosine: share that is left at the end")] = None,
    draws: settings.Draws = None,
    engine: settings.Engine = None,
    device: settings.Device = None,
    threads: settings.Threads = None,
    statistics_every: Annotated[
        Any, number_option("--statistics-every", "Steps from one that is measured to the next, 0 for none [100]")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Train on a file, or on the bundled names.

    Shows what the model reached, what it makes, and what to do next.

    What stands in [brackets] holds where an option is left out and --recipe does not say otherwise.
    """
    changes = given(locals())
    from moreish import train as train_model
    from moreish.cli.progress import progress

    with progress() as follower:
        try:
            run = train_model(
                file,
                out=out,
                resume=resume,
                recipe=origin,
                observers=[follower],
                statistics_every=statistics_every,
                **changes,
            )
        except KeyboardInterrupt:
            follower.close()
            _end_interrupted(follower, out)
    results = run.results
    if results is None:
        _end_interrupted(follower, out)
    if not follower.has_begun:
        say(f"The training in {run.path} is finished; here are its results. To train longer, train a new run.")
    if json:
        print_json(results)
    else:
        show_run(run, results)


def _end_interrupted(follower: "Progress", out: str | None) -> NoReturn:
    run = follower.run or _run_in(out)
    if run is None:
        say("Interrupted before the training began; nothing was saved.")
    else:
        ended = follower.ended
        what = f"Interrupted after step {ended.step:,}; everything is saved." if ended else "Interrupted."
        say(f"{what} To go on:\n  moreish train --out {shlex.quote(str(run))} --resume")
    raise typer.Exit(EXIT_INTERRUPTED)


def _run_in(out: str | None) -> Path | None:
    """The run that stands in the directory that was asked for, if it came so far."""
    from moreish.training.run import is_run

    return Path(out) if out is not None and is_run(Path(out)) else None
