"""Which networks there are, on which data, and how each is trained when nothing is wrong."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.doctor import networks
from benchmarks.doctor.parts.fifth import networks as fifth
from benchmarks.doctor.parts.fourth import networks as fourth
from benchmarks.doctor.parts.second import networks as second
from benchmarks.doctor.parts.third import networks as third
from benchmarks.doctor.sources import SQUARED, Layout
from torch import nn


@dataclass(frozen=True)
class Architecture:
    """A network and how it is trained when nothing is wrong; `loss` is a name in `training.LOSSES`."""

    build: Callable[..., nn.Module]
    layout: Layout
    corpus: str
    optimizer: str
    learning_rate: float
    loss: str = "mean"

    @property
    def is_squared(self) -> bool:
        """Whether the final loss is a squared error; else it is in nats."""
        return self.layout in SQUARED

    @property
    def is_yes_or_no(self) -> bool:
        """Whether each label is a zero or a one."""
        return self.loss == "yes or no"


ARCHITECTURES: dict[str, Architecture] = {
    "mlp": Architecture(networks.mlp, "windows", "names", "sgd", 0.2),
    "deep": Architecture(networks.deep, "windows", "bigrams", "adamw", 2e-3),
    "regressor": Architecture(networks.regressor, "numbers", "waves", "sgd", 0.01),
    "cnn": Architecture(networks.cnn, "pictures", "bars", "momentum", 0.02),
    "lstm": Architecture(networks.lstm, "sequences", "markov", "adamw", 1e-2),
    "gpt": Architecture(networks.gpt, "sequences", "names", "adamw", 3e-3),
    "house mlp": Architecture(networks.house_mlp, "windows", "names", "adamw", 5e-3),
    "house hierarchical": Architecture(networks.house_hierarchical, "windows", "markov", "adamw", 5e-3),
    "gru": Architecture(networks.gru, "sequences", "shakespeare", "adamw", 1e-2),
    "llama": Architecture(networks.llama, "sequences", "shakespeare", "adamw", 3e-3),
    "mixer": Architecture(networks.mixer, "windows", "shakespeare", "adamw", 3e-3),
    "rescnn": Architecture(networks.rescnn, "pictures", "gratings", "momentum", 0.05),
    "tanhnet": Architecture(networks.tanhnet, "numbers", "friedman", "sgd", 0.03),
    "elman": Architecture(networks.elman, "sequences", "markov", "momentum", 0.03),
    "tcn": Architecture(second.tcn, "sequences", "phrases", "adamw", 5e-3),
    "rnn": Architecture(second.rnn, "windows", "echoes", "momentum", 0.02),
    "tagger": Architecture(second.tagger, "tags", "tags", "adamw", 5e-3),
    "vit": Architecture(second.vit, "pictures", "dots", "adamw", 5e-3),
    "separable": Architecture(second.separable, "pictures", "glyphs", "momentum", 0.03),
    "resmlp": Architecture(second.resmlp, "numbers", "arm", "adamw", 2e-3),
    "tabular": Architecture(second.tabular, "table", "clusters", "momentum", 0.015),
    "house deep": Architecture(second.house_deep, "windows", "sums", "adamw", 5e-3),
    "unet": Architecture(third.unet, "signals", "blocks", "adamw", 8e-3),
    "densenet": Architecture(third.densenet, "pictures", "displays", "momentum", 0.05),
    "bag": Architecture(third.bag, "bag", "documents", "adamw", 1.2e-2, "yes or no"),
    "seq2seq": Architecture(third.seq2seq, "tags", "reversals", "adamw", 5e-3),
    "sets": Architecture(third.sets, "points", "clouds", "adamw", 5e-3),
    "postnorm": Architecture(third.postnorm, "sequences", "brackets", "adamw", 4e-3),
    "irnn": Architecture(third.irnn, "series", "marked sums", "momentum", 0.006, "huber"),
    "house wide": Architecture(third.house_wide, "windows", "harmony", "momentum", 0.15),
    "tied": Architecture(fourth.tied, "sequences", "spoken numbers", "rmsprop", 5e-3),
    "convgru": Architecture(fourth.convgru, "recordings", "pulses", "adam", 5e-3),
    "dilated": Architecture(fourth.dilated, "pictures", "tiles", "momentum", 0.012),
    "decoder": Architecture(fourth.decoder, "sequences", "log", "adamw", 8e-3),
    "recommender": Architecture(fourth.recommender, "ratings", "ratings", "adam", 1e-2, "yes or no"),
    "fourier": Architecture(fourth.fourier, "numbers", "picture", "momentum", 0.02),
    "experts": Architecture(fourth.experts, "table", "regimes", "adamw", 5e-3),
    "house taper": Architecture(fourth.house_taper, "windows", "roman numerals", "rmsprop", 4e-3),
    "rotary": Architecture(fifth.rotary, "sequences", "tunes", "nadam", 5e-3),
    "excited": Architecture(fifth.excited, "pictures", "badges", "nesterov", 0.1),
    "graph": Architecture(fifth.graph, "graphs", "molecules", "amsgrad", 7e-3),
    "wavenet": Architecture(fifth.wavenet, "sequences", "diary", "adam", 8e-3),
    "autoencoder": Architecture(fifth.autoencoder, "numbers", "sensors", "adagrad", 3e-2),
    "house pairs": Architecture(fifth.house_pairs, "windows", "formulae", "nesterov", 0.1),
}
HELD_OUT = ("rotary", "excited", "graph", "wavenet", "autoencoder", "house pairs")
