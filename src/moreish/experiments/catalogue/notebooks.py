"""What the five study notebooks report, or show without a number."""

from typing import Any

from moreish.experiments.experiment import FULL_SPLIT, ONE_MINIBATCH, Experiment, exactly, nearly

_SEED = 2147483647

_NAMES: dict[str, Any] = {
    "split": "published",
    "context": 3,
    "activation": "tanh",
    "init": "normal",
    "bias_scale": 1.0,
    "head_init": "normal",
    "head_scale": 1.0,
    "head_bias_scale": 1.0,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "weight_decay": 0.0,
    "schedule": "step",
    "warmup": 0.0,
    "batch": 32,
    "steps": 200_000,
    "keep": "last",
}
_NOTEBOOK_1 = _NAMES | {"embedding": 2, "hidden": [300]}
_SCALED = _NOTEBOOK_1 | {"gain": 0.2, "bias_scale": 0.01, "head_scale": 0.01, "head_bias_scale": 0.0}
_NOTEBOOK_2 = _NAMES | {
    "embedding": 10,
    "hidden": [100] * 5,
    "init": "zeros",
    "head_init": "zeros",
    "bias_scale": None,
    "head_bias_scale": None,
    "steps": 100_000,
}
_NOTEBOOK_3: dict[str, Any] = {
    "kind": "text",
    "context": 1,
    "embedding": "onehot",
    "hidden": [],
    "activation": "gelu",
    "init": "normal",
    "bias_scale": 1.0,
    "head_init": "normal",
    "head_scale": 1.0,
    "head_bias_scale": 1.0,
    "optimizer": "sgd",
    "learning_rate": 0.01,
    "weight_decay": 0.0,
    "schedule": "constant",
    "warmup": 0.0,
    "batch": 1_024,
    "steps": 10_000,
    "keep": "last",
}
_GELU = _NOTEBOOK_3 | {"hidden": [128]}
_UNIT_COLUMNS = _GELU | {"init": "unit-columns", "head_init": "unit-columns"}

# A mean over 1,024 examples spreads √32 times less than one over 32.
_ONE_MINIBATCH_OF_1024 = round(ONE_MINIBATCH / 32**0.5, 3)

_LOGGED_1 = (
    "2.8543 2.4815 2.7685 2.1235 2.3941 2.3548 2.4956 2.5888 2.3835 2.7417 "
    "2.4000 2.2243 2.4927 2.6062 2.4692 2.5604 2.5747 2.2426 2.5037"
)
_LOGGED_2 = "2.5970 2.5969 2.7326 2.9053 2.7355 2.9486 3.0973 2.8424 2.4961"
_FULL_BATCH = "5.2003 5.1996 5.1989 5.1982 5.1976 5.1969 5.1962 5.1955 5.1948 5.1941"
_TABLE = "4.8017 4.4624 4.1553 3.9010 3.6736 3.6836 3.6151 3.6091 3.5064 3.3795"
_GELU_LOSSES = "25.3573 6.2979 4.2327 3.6848 3.6616 3.2838 3.1329 3.0680 3.1220 2.8364"
_UNIT_LOSSES = "4.1717 3.6347 3.3363 3.2787 3.1304 3.1382 3.1249 2.9968 2.9735 2.8974"

# Notebook 5's table: context, hidden size, embedding size, steps, batch; and the test NLL that it reports.
_TUNINGS: dict[tuple[int, int, int, int, int], str] = {
    (4, 10, 30, 200_000, 16): "2.3414",
    (4, 10, 2, 20_000, 16): "2.5306",
    (4, 10, 4, 200_000, 2): "2.3566",
    (2, 10, 4, 200_000, 16): "2.3719",
    (3, 10, 4, 200_000, 16): "2.3340",
    (3, 100, 10, 200_000, 32): "2.1759",
    (3, 100, 20, 200_000, 8): "2.1759",
    (3, 500, 5, 200_000, 32): "2.1734",
    (3, 80, 4, 200_000, 32): "2.2322",
    (4, 300, 14, 400_000, 40): "2.1812",
    (3, 200, 6, 200_000, 32): "2.1625",
    (3, 20, 6, 200_000, 32): "2.2723",
    (3, 300, 6, 200_000, 32): "2.1847",
    (3, 220, 6, 200_000, 32): "2.1871",
    (3, 180, 6, 200_000, 32): "2.1850",
}

_SMALL_SPREAD = (
    "Chance, for the most part: after 10,000 steps these networks still show where they began, and the spread over "
    "three seeds is itself uncertain. Over twelve seeds (LOG.md) the first and last published loss lie within 2.2 "
    "spreads; only step 1,000 of mlp-gelu lies further out (3.5)."
)


def _tuning_name(row: tuple[int, int, int, int, int]) -> str:
    context, hidden, embedding, steps, batch = row
    return f"{context}/{hidden}/{embedding}/{steps // 1000}k/{batch}"


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        id="init-confident",
        what="all draws unscaled: the loss begins far above ln 27",
        source="notebook 1",
        data="makemore-names",
        published=(
            exactly("parameters", "10281"),
            nearly("step 0", "27.0705", ONE_MINIBATCH),
            nearly("steps 10,000, 20,000, …", _LOGGED_1, ONE_MINIBATCH),
            nearly("last step", "2.0528", ONE_MINIBATCH),
        ),
        measure="initialisation.logged_losses",
        settings={"recipe": _NOTEBOOK_1 | {"schedule": "constant"}, "init_seed": _SEED},
        seconds=11,
        note="The parameters are those of the notebook's seed; the minibatches, unseeded there, of seeds 1, 2, 3.",
    ),
    Experiment(
        id="init-quiet",
        what="output layer near zero: the loss begins at ln 27",
        source="notebook 1",
        data="makemore-names",
        published=(nearly("step 0", "3.25", FULL_SPLIT),),
        measure="initialisation.logged_losses",
        settings={"recipe": _NOTEBOOK_1 | {"head_scale": 0.01, "head_bias_scale": 0.0}, "init_seed": _SEED},
        seconds=11,
    ),
    Experiment(
        id="init-saturation",
        what="saturated tanh before and after scaling W1 and b1",
        source="notebook 1",
        data="makemore-names",
        measure="initialisation.saturation",
        settings={
            "recipe": _NOTEBOOK_1,
            "init_seed": _SEED,
            "scales": {"unscaled": [1.0, 1.0], "W1 × 0.2, b1 × 0.01": [0.2, 0.01], "both × 0.01": [0.01, 0.01]},
        },
        note="The notebook shows a histogram and a black-and-white map. It sees no dead unit before scaling: true.",
    ),
    Experiment(
        id="rate-kills-units",
        what="units that too high a learning rate kills in 1,000 steps",
        source="notebook 1 (said, not shown)",
        data="makemore-names",
        measure="initialisation.killed_units",
        settings={
            "recipe": _SCALED | {"schedule": "constant", "steps": 1_000},
            "init_seed": _SEED,
            "rates": [0.1, 1.0, 3.0, 10.0],
            "activations": ["tanh", "relu"],
        },
        seconds=2,
    ),
    Experiment(
        id="init-kaiming-spread",
        what="the spread of x @ w, and with w / √fan-in",
        source="notebook 1",
        published=(
            nearly("std of x @ w : std of x", "3.1623", FULL_SPLIT),
            nearly("with w / √10", "1", FULL_SPLIT),
        ),
        measure="initialisation.spread",
        settings={"rows": 1_000, "fan_in": 10, "fan_out": 200},
        seconds=0.1,
    ),
    Experiment(
        id="batchnorm-running",
        what="batch norm with running mean and std, used at validation",
        source="notebook 1",
        data="makemore-names",
        measure="initialisation.running_norm",
        settings={
            "recipe": _SCALED | {"norm": "batch", "norm_convention": "notebook", "bias": "all"},
            "init_seed": _SEED,
        },
        seconds=12,
        note=(
            "The notebook's own validation code cannot run: it breaks off, and names variables that do not exist. With "
            "running statistics (momentum 0.001) validation is measured as below."
        ),
    ),
    Experiment(
        id="zero-init",
        what="all weights and biases zero: only the output bias learns",
        source="notebook 2",
        data="makemore-names",
        published=(
            exactly("parameters", "46497"),
            nearly("step 0", "2.9233", FULL_SPLIT),
            nearly("steps 10,000, 20,000, …", _LOGGED_2, ONE_MINIBATCH),
            nearly("train", "2.82", FULL_SPLIT),
            nearly("test", "3.2870", FULL_SPLIT),
        ),
        measure="zero_init.train",
        settings={"recipe": _NOTEBOOK_2, "init_seed": _SEED, "first_steps": 8},
        seconds=12,
        note=(
            "Every hidden activation is 0, so no weight, no hidden bias and no embedding receives any gradient; the "
            "output bias alone learns how often each character occurs, and the loss ends at the entropy of single "
            "characters."
        ),
        why_different=(
            "Two of the notebook's figures cannot be right. A network of zeros begins at exactly ln 27 = 3.2958, not "
            "at 2.9233: that cell was run again on a network that had learned. And 3.2870 on the test split is what it "
            "has after a handful of steps, as the list shows, not after 100,000: the cells were run in another order."
        ),
    ),
    Experiment(
        id="fold-batchnorm",
        what="three layers with batch norm, folded into the linear ones",
        source="notebook 2 (asked there, not done)",
        data="makemore-names",
        published=(nearly("largest difference of logits", "0", 1e-5),),
        measure="folding.fold",
        settings={
            "recipe": _NAMES
            | {
                "embedding": 10,
                "hidden": [100, 100],
                "init": "kaiming",
                "bias_scale": None,
                "head_init": "normal",
                "head_scale": 0.01,
                "head_bias_scale": None,
                "norm": "batch",
                "schedule": "constant",
                "steps": 10_000,
            }
        },
        seconds=3,
        note="Over all validation windows, in float32; the question is whether the outputs stay the same.",
    ),
    Experiment(
        id="perceptron-full",
        what="table of 65 × 65 and a bias, full batch",
        source="notebook 3",
        data="tinyshakespeare",
        published=(nearly("losses", _FULL_BATCH, FULL_SPLIT), nearly("drop", "0.0062", 0.001)),
        measure="shakespeare.full_batch",
        settings={"rate": 0.01, "num_steps": 10},
        note="The code as printed multiplies ids with the table; what it means, and what is measured, is one-hot rows.",
    ),
    Experiment(
        id="perceptron-minibatch",
        what="the same in minibatches of 1,024",
        source="notebook 3",
        data="tinyshakespeare",
        published=(nearly("losses", _TABLE, _ONE_MINIBATCH_OF_1024),),
        measure="shakespeare.minibatches",
        settings={"recipe": _NOTEBOOK_3},
        seconds=4,
        why_different=_SMALL_SPREAD,
    ),
    Experiment(
        id="full-or-minibatch",
        what="full batch and minibatches for the same time",
        source="notebook 3 (said, not measured)",
        data="tinyshakespeare",
        measure="shakespeare.equal_time",
        settings={"rate": 0.01, "num_steps": 10, "batch": 1_024},
        seeds=(1,),
        seconds=20,
    ),
    Experiment(
        id="mlp-gelu",
        what="hidden layer of 128 with GELU, standard normal draws",
        source="notebook 3",
        data="tinyshakespeare",
        published=(nearly("losses", _GELU_LOSSES, _ONE_MINIBATCH_OF_1024),),
        measure="shakespeare.minibatches",
        settings={"recipe": _GELU},
        seconds=10,
        why_different=_SMALL_SPREAD,
    ),
    Experiment(
        id="mlp-gelu-unit-columns",
        what="every column of the weights divided by its norm",
        source="notebook 3",
        data="tinyshakespeare",
        published=(nearly("losses", _UNIT_LOSSES, _ONE_MINIBATCH_OF_1024),),
        measure="shakespeare.minibatches",
        settings={"recipe": _UNIT_COLUMNS},
        seconds=10,
    ),
    Experiment(
        id="layer-magnitudes",
        what="mean absolute value of every layer, standard normal draws",
        source="notebook 3 (asked for there)",
        data="tinyshakespeare",
        measure="shakespeare.magnitudes",
        settings={"recipe": _GELU},
        seconds=10,
    ),
    Experiment(
        id="unit-column-magnitudes",
        what="the same with unit columns",
        source="notebook 3 (asked for there)",
        data="tinyshakespeare",
        measure="shakespeare.magnitudes",
        settings={"recipe": _UNIT_COLUMNS},
        seconds=10,
    ),
    Experiment(
        id="rate-search",
        what="one step at each of 1,000 rates, 0.001 to 1",
        source="lecture 2, notebook 5",
        data="makemore-names",
        published=(nearly("log10 of the rate in the valley", "-1", 0.3),),
        measure="rate_search.rate_search",
        settings={
            "recipe": _NAMES | {"embedding": 2, "hidden": [100]},
            "init_seed": _SEED,
            "lowest": 1e-3,
            "highest": 1.0,
            "num_rates": 1_000,
        },
        note=(
            "The valley is where the loss, averaged with its neighbours as moreish find-rate averages it, lies lowest. "
            "Band: from 0.05 to 0.2."
        ),
    ),
    Experiment(
        id="tuning",
        what="context/hidden/embedding/steps/batch → test NLL",
        source="notebook 5",
        data="makemore-names",
        published=tuple(nearly(_tuning_name(row), nll, FULL_SPLIT) for row, nll in _TUNINGS.items()),
        measure="trained.tuning",
        settings={"recipe": _NAMES, "rows": [list(row) for row in _TUNINGS], "decay_step": 100_000},
        seconds=150,
        note="The digits of 3/100/20/200k/8 repeat those of the row before it: one of the two is probably a slip.",
        why_different=(
            "Each published figure is one unseeded training, in a notebook whose settings were changed between runs "
            "(the one it shows last draws 33 examples a step and ends at 2.5676): some rows may have been measured "
            "with others than they state, and three seeds tell a spread only roughly."
        ),
    ),
)
