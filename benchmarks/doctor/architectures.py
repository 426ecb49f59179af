"""Which networks there are, on which data, and how each is trained when nothing is wrong."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.doctor import networks, networks_former, networks_held_out
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
    "tcn": Architecture(networks_former.tcn, "sequences", "phrases", "adamw", 5e-3),
    "rnn": Architecture(networks_former.rnn, "windows", "echoes", "momentum", 0.02),
    "tagger": Architecture(networks_former.tagger, "tags", "tags", "adamw", 5e-3),
    "vit": Architecture(networks_former.vit, "pictures", "dots", "adamw", 5e-3),
    "separable": Architecture(networks_former.separable, "pictures", "glyphs", "momentum", 0.03),
    "resmlp": Architecture(networks_former.resmlp, "numbers", "arm", "adamw", 2e-3),
    "tabular": Architecture(networks_former.tabular, "table", "clusters", "momentum", 0.015),
    "house deep": Architecture(networks_former.house_deep, "windows", "sums", "adamw", 5e-3),
    "unet": Architecture(networks_held_out.unet, "signals", "blocks", "adamw", 8e-3),
    "densenet": Architecture(networks_held_out.densenet, "pictures", "displays", "momentum", 0.05),
    "bag": Architecture(networks_held_out.bag, "bag", "documents", "adamw", 1.2e-2, "yes or no"),
    "seq2seq": Architecture(networks_held_out.seq2seq, "tags", "reversals", "adamw", 5e-3),
    "sets": Architecture(networks_held_out.sets, "points", "clouds", "adamw", 5e-3),
    "postnorm": Architecture(networks_held_out.postnorm, "sequences", "brackets", "adamw", 4e-3),
    "irnn": Architecture(networks_held_out.irnn, "series", "marked sums", "momentum", 0.006, "huber"),
    "house wide": Architecture(networks_held_out.house_wide, "windows", "harmony", "momentum", 0.15),
}
HELD_OUT = ("unet", "densenet", "bag", "seq2seq", "sets", "postnorm", "irnn", "house wide")
