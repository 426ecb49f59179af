"""Which networks there are, on which data, and how each is trained when nothing is wrong."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.doctor import networks, networks_held_out
from benchmarks.doctor.sources import Layout
from torch import nn


@dataclass(frozen=True)
class Architecture:
    """A network and how it is trained when nothing is wrong."""

    build: Callable[..., nn.Module]
    layout: Layout
    corpus: str
    optimizer: str
    learning_rate: float


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
    "tcn": Architecture(networks_held_out.tcn, "sequences", "phrases", "adamw", 5e-3),
    "rnn": Architecture(networks_held_out.rnn, "windows", "echoes", "momentum", 0.02),
    "tagger": Architecture(networks_held_out.tagger, "tags", "tags", "adamw", 5e-3),
    "vit": Architecture(networks_held_out.vit, "pictures", "dots", "adamw", 5e-3),
    "separable": Architecture(networks_held_out.separable, "pictures", "glyphs", "momentum", 0.03),
    "resmlp": Architecture(networks_held_out.resmlp, "numbers", "arm", "adamw", 2e-3),
    "tabular": Architecture(networks_held_out.tabular, "table", "clusters", "momentum", 0.015),
    "house deep": Architecture(networks_held_out.house_deep, "windows", "sums", "adamw", 5e-3),
}
HELD_OUT = ("tcn", "rnn", "tagger", "vit", "separable", "resmlp", "tabular", "house deep")
