"""Lecture 2 and notebook 5: embeddings of characters and words, and what is shown there on a few numbers."""

from typing import Any

from moreish.experiments.experiment import Experiment

_SHAPE = {"batch": 4096, "context": 8, "embedding": 24}

_MAP: dict[str, Any] = {
    "split": "published",
    "context": 3,
    "embedding": 2,
    "hidden": [300],
    "activation": "tanh",
    "init": "normal",
    "bias_scale": 1.0,
    "head_scale": 1.0,
    "head_bias_scale": 1.0,
    "draws": "lecture",
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "weight_decay": 0.0,
    "schedule": "step",
    "warmup": 0.0,
    "batch": 32,
    "steps": 200_000,
    "keep": "last",
}
_WORDS: dict[str, Any] = {
    "kind": "text",
    "context": 3,
    "embedding": 30,
    "hidden": [100],
    "activation": "tanh",
    "learning_rate": 1.2e-2,
    "weight_decay": 0.15,
    "batch": 256,
    "steps": 6_000,
    "keep": "last",
}

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
    Experiment(
        id="embedding-map",
        what="a 2-D embedding: do the vowels lie together?",
        source="lecture 2, notebook 5",
        data="makemore-names",
        measure="embedding_map.embedding_map",
        settings={"recipe": _MAP},
        seconds=11,
        note=(
            "The share is that of the 65,780 sets of five letters that lie as close together as the vowels. With seed "
            "2 u remains far from the other four, on the side where it was drawn."
        ),
    ),
    Experiment(
        id="word-level",
        what="a network on words, beside counting them",
        source="notebook 5 (Bengio et al. 2003)",
        data="tinyshakespeare",
        measure="words.word_level",
        settings={"recipe": _WORDS, "num_words": 17_000, "num_made": 60},
        seeds=(1,),
        seconds=70,
        note=(
            "Perplexity per word, line ends and punctuation marks included; words that training has less than three "
            "times are one symbol. No number was published; measured before, on the same words: validation 67.4 for a "
            "network, 76.0 for a Kneser-Ney trigram."
        ),
    ),
)
