"""Lecture 2 and notebook 5: embeddings of characters and words, and what is shown there on a few numbers."""

from moreish.experiments.experiment import Experiment

_SHAPE = {"batch": 4096, "context": 8, "embedding": 24}

EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        id="embedding-one-hot",
        what="a row of C equals one_hot @ C, gradient too",
        source="lecture 2, notebook 5",
        measure="demonstrations.embedding_as_product",
        settings=_SHAPE,
        seeds=(1,),
        note="The gradients differ as sums of float32 taken in another order do.",
    ),
    Experiment(
        id="joining",
        what="joining characters: view, cat and unbind",
        source="lecture 2, notebook 5",
        measure="demonstrations.joining",
        settings=_SHAPE,
        seeds=(1,),
        note="A view is the same memory read in another shape; cat and unbind copy it. Times depend on the machine.",
    ),
    Experiment(
        id="naive-softmax",
        what="the largest logit that exp, sum and log bear",
        source="lecture 2",
        measure="demonstrations.naive_softmax",
        seeds=(1,),
        note=(
            "The loss overflows with exp itself. Its gradient divides by the square of the sum, which vanishes at half "
            "of that logit: there it is wrong while the loss is still right, and nothing says so."
        ),
    ),
)
