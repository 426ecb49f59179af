"""Experiments that need a transformer, which comes later."""

from moreish.experiments.experiment import FULL_SPLIT, Experiment, nearly

EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        id="transformer",
        what="makemore's default transformer of 200,000 parameters",
        source="makemore, README",
        data="makemore-names",
        published=(nearly("test", "1.92", FULL_SPLIT),),
        note="Run as it stands, it reached 1.9655 at about step 15,000; after that it overfits.",
    ),
    Experiment(
        id="nanogpt-cpu",
        what="a transformer of 4 layers, context 64, 2,000 steps",
        source="nanoGPT, README",
        data="tinyshakespeare",
        published=(nearly("validation", "1.88", FULL_SPLIT),),
    ),
    Experiment(
        id="nanogpt-gpu",
        what="a transformer of 6 layers, context 256",
        source="nanoGPT, README",
        data="tinyshakespeare",
        published=(nearly("validation", "1.4697", FULL_SPLIT),),
        note="The lowest credible figure elsewhere is 1.4603.",
    ),
)
