"""What the makemore lectures report on the list of names."""

from moreish.experiments.experiment import Experiment, exactly

EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        id="bigram-counts",
        what="the table of pairs of characters, counted on all lines",
        source="lecture 1",
        data="makemore-names",
        published=(exactly("NLL of all lines", "2.4540"),),
        measure="counting.bigram_counts",
        seeds=(1,),
    ),
    Experiment(
        id="bigram-growth",
        what="how the table of counts grows with the context",
        source="lecture 2",
        data="makemore-names",
        measure="counting.table_growth",
        settings={"contexts": 6},
        seeds=(1,),
        note="Every character of context makes the table 27 times as large, while the names fill ever less of it.",
    ),
)
