"""Trainings in which nothing is wrong: hard ones, that look as if something were, and many cheap ones."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.doctor.architectures import ARCHITECTURES
from benchmarks.doctor.setting import Setting, healthy

NUM_SEEDS = 5
NUM_NULL = 3000

HARD: dict[str, Setting] = {
    # Zeros that are meant
    "zero-initialised branches and head, GPT": healthy("gpt", options=(("zero", True),)),
    "zero-initialised branches, gated": healthy("llama", options=(("zero", True),)),
    "zero-initialised branches, residual CNN": healthy("rescnn", options=(("zero", True),)),
    "output layer of zeros, LSTM": healthy("lstm", initial=(("scale_head", 0.0),)),
    "output layer of zeros, MLP": healthy("mlp", initial=(("scale_head", 0.0),)),
    # Sparse and odd activations
    "sparse ReLU": healthy("mlp", options=(("activation", "ReLU"),), initial=(("rest_at", -1.5),)),
    "sparse ReLU in depth": healthy("deep", initial=(("rest_at", -0.2),)),
    "sparse ReLU, regression": healthy("regressor", initial=(("rest_at", -0.2),), steps=410),
    "sigmoid units": healthy("mlp", options=(("activation", "Sigmoid"),)),
    "leaky ReLU": healthy("deep", options=(("activation", "LeakyReLU"),), steps=410),
    # Rates
    "three times the usual rate, LSTM": healthy("lstm", learning_rate=2e-2),
    "three times the usual rate, GPT": healthy("gpt", learning_rate=9e-3),
    "three times the usual rate, CNN": healthy("cnn", learning_rate=0.06),
    "three times the usual rate, GRU": healthy("gru", learning_rate=2e-2),
    "a third of the usual rate, mixer": healthy("mixer", learning_rate=1e-3),
    "a third of the usual rate, MLP": healthy("mlp", learning_rate=0.07, steps=410),
    "warm restarts, GPT": healthy("gpt", schedule="restarts"),
    "warm restarts, GRU": healthy("gru", schedule="restarts"),
    "warm-up from zero, gated": healthy("llama", schedule="warmup", schedule_start=0.0),
    "cosine to zero, CNN": healthy("cnn", schedule="cosine"),
    # Batches
    "batches of two, LSTM": healthy("lstm", batch=2, learning_rate=3e-3),
    "batches of four, MLP": healthy("mlp", batch=4, learning_rate=0.05, steps=410),
    "batches of four, batch norm": healthy("cnn", batch=4, learning_rate=5e-3),
    "batches of eight, our batch norm": healthy("house mlp", batch=8, learning_rate=2e-3, steps=410),
    "gradients accumulated over four": healthy("gru", accumulate=4),
    # Regularisation
    "dropout of 0.5, LSTM": healthy("lstm", options=(("dropout", 0.5),), steps=410),
    "dropout of 0.7, CNN": healthy("cnn", options=(("dropout", 0.7),), steps=410),
    "dropout of 0.5, mixer": healthy("mixer", options=(("dropout", 0.5),), steps=410),
    "weight decay of 0.1": healthy("gpt", weight_decay=0.1, steps=410),
    "clipping at 1": healthy("llama", clip=1.0),
    "label smoothing": healthy("gpt", loss="smoothed"),
    # Data
    "two characters, LSTM": healthy("lstm", corpus="binary", steps=410),
    "two characters, GPT": healthy("gpt", corpus="binary"),
    "only the last character matters": healthy("house mlp", corpus="bigrams", steps=410),
    "one class of pictures in four fifths": healthy("cnn", corpus="uneven bars"),
    "half of the labels padded": healthy("gru", ignored=0.5, steps=410),
    "a fifth of the labels wrong": healthy("rescnn", mislabelled=0.2, steps=410),
    # Depth and length
    "GPT of eight layers": healthy("gpt", options=(("layers", 8),), steps=80),
    "long training": healthy("mlp", steps=600),
    "layer norm in our MLP": healthy("house mlp", options=(("norm", "layer"),)),
    "no norm in our MLP": healthy("house mlp", options=(("norm", "none"),)),
    # The second part
    "zero-initialised branches, causal convolutions": healthy("tcn", options=(("zero", True),)),
    "zero-initialised branches, vision transformer": healthy("vit", options=(("zero", True),), steps=410),
    "zero-initialised branches, residual MLP": healthy("resmlp", options=(("zero", True),)),
    "output layer of zeros, tagger": healthy("tagger", initial=(("scale_head", 0.0),)),
    "sparse ReLU, clusters": healthy("tabular", initial=(("rest_at", -0.3),)),
    "exponential units": healthy("tabular", options=(("activation", "ELU"),)),
    "three times the usual rate, tagger": healthy("tagger", learning_rate=1.5e-2),
    "three times the usual rate, causal convolutions": healthy("tcn", learning_rate=1.5e-2),
    "twice the usual rate, clusters": healthy("tabular", learning_rate=0.03),
    "a third of the usual rate, residual MLP": healthy("resmlp", learning_rate=7e-4, steps=410),
    "a third of the usual rate, our deep MLP": healthy("house deep", learning_rate=1.7e-3),
    "warm restarts, causal convolutions": healthy("tcn", schedule="restarts"),
    "warm restarts, residual MLP": healthy("resmlp", schedule="restarts", steps=410),
    "warm-up from zero, vision transformer": healthy("vit", schedule="warmup", schedule_start=0.0, steps=410),
    "cosine to zero, separable CNN": healthy("separable", schedule="cosine"),
    "batches of two, tagger": healthy("tagger", batch=2, learning_rate=5e-3, steps=410),
    "batches of eight, separable CNN": healthy("separable", batch=8, learning_rate=0.01, steps=410),
    "batches of eight, our deep MLP": healthy("house deep", batch=8, learning_rate=2e-3, steps=410),
    "gradients accumulated over four, Elman": healthy("rnn", accumulate=4),
    "dropout of 0.5, Elman": healthy("rnn", options=(("dropout", 0.5),), steps=410),
    "dropout of 0.4, clusters": healthy("tabular", options=(("dropout", 0.4),), steps=410),
    "weight decay of 0.1, causal convolutions": healthy("tcn", weight_decay=0.1, steps=410),
    "weight decay of 0.0005, separable CNN": healthy("separable", weight_decay=5e-4),
    "clipping at 1, Elman": healthy("rnn", clip=1.0),
    "label smoothing, separable CNN": healthy("separable", loss="smoothed"),
    "two characters, Elman": healthy("rnn", corpus="binary", steps=410),
    "two characters, causal convolutions": healthy("tcn", corpus="binary"),
    "a fifth of the labels wrong, clusters": healthy("tabular", mislabelled=0.2, steps=410),
    "half of the labels padded, tagger": healthy("tagger", ignored=0.5),
    "one class of clusters in four fifths": healthy("tabular", corpus="uneven clusters"),
    "vision transformer of six layers": healthy("vit", options=(("layers", 6),), steps=240),
    "long training, residual MLP": healthy("resmlp", steps=600),
    "layer norm in our deep MLP": healthy("house deep", options=(("norm", "layer"),)),
    "no norm in our deep MLP": healthy("house deep", options=(("norm", "none"),)),
    # The third part
    "output layer of zeros, translator": healthy("seq2seq", initial=(("scale_head", 0.0),)),
    "output layer of zeros, U-Net": healthy("unet", initial=(("scale_head", 0.0),), steps=410),
    "output layer of zeros, our wide MLP": healthy("house wide", initial=(("scale_head", 0.0),)),
    "sparse ReLU, clouds": healthy("sets", initial=(("rest_at", -0.1),), steps=410),
    "leaky ReLU, clouds": healthy("sets", options=(("activation", "LeakyReLU"),)),
    "GELU in our wide MLP": healthy("house wide", options=(("activation", "gelu"),), steps=410),
    "ReLU in our wide MLP": healthy("house wide", options=(("activation", "relu"),)),
    "twice the usual rate, translator": healthy("seq2seq", learning_rate=1e-2),
    "twice the usual rate, topics": healthy("bag", learning_rate=2.4e-2),
    "a third of the usual rate, U-Net": healthy("unet", learning_rate=2.7e-3, steps=410),
    "warm restarts, topics": healthy("bag", schedule="restarts"),
    "warm-up from zero, post-norm transformer": healthy("postnorm", schedule="warmup", schedule_start=0.0, steps=410),
    "warm-up from zero, clouds": healthy("sets", schedule="warmup", schedule_start=0.0, steps=410),
    "cosine to zero, DenseNet": healthy("densenet", schedule="cosine"),
    "batches of four, translator": healthy("seq2seq", batch=4, learning_rate=3e-3, steps=410),
    "batches of four, clouds": healthy("sets", batch=4, learning_rate=2e-3, steps=410),
    "batches of eight, DenseNet": healthy("densenet", batch=8, learning_rate=0.015, steps=410),
    "batches of eight, our wide MLP": healthy("house wide", batch=8, learning_rate=0.05, steps=410),
    "gradients accumulated over four, U-Net": healthy("unet", accumulate=4),
    "dropout of 0.5, topics": healthy("bag", options=(("dropout", 0.5),), steps=410),
    "dropout of 0.3, post-norm transformer": healthy("postnorm", options=(("dropout", 0.3),), steps=410),
    "dropout of 0.5, DenseNet": healthy("densenet", options=(("dropout", 0.5),), steps=410),
    "weight decay of 0.1, translator": healthy("seq2seq", weight_decay=0.1, steps=410),
    "clipping at 1, our wide MLP": healthy("house wide", clip=1.0),
    "label smoothing, DenseNet": healthy("densenet", loss="smoothed"),
    "squared errors, marked sums": healthy("irnn", loss="mean", steps=410),
    "a fifth of the labels wrong, translator": healthy("seq2seq", mislabelled=0.2, steps=410),
    "a tenth of the labels wrong, topics": healthy("bag", mislabelled=0.1),
    "half of the labels padded, brackets": healthy("postnorm", ignored=0.5),
    "one class of clouds in four fifths": healthy("sets", corpus="uneven clouds"),
    "highway of eight layers": healthy("bag", options=(("layers", 8),)),
    "post-norm transformer of four layers": healthy("postnorm", options=(("layers", 4),), steps=240),
    "long training, U-Net": healthy("unet", steps=600),
    "layer norm in our wide MLP": healthy("house wide", options=(("norm", "layer"),)),
    # The fourth part
    "output layer of zeros, pulses": healthy("convgru", initial=(("scale_head", 0.0),), steps=410),
    "output layer of zeros, log": healthy("decoder", initial=(("scale_head", 0.0),)),
    "output layer of zeros, picture": healthy("fourier", initial=(("scale_head", 0.0),), steps=410),
    "sparse ReLU, ratings": healthy("recommender", initial=(("rest_at", -0.1),)),
    "sparse ReLU, picture": healthy("fourier", initial=(("rest_at", -0.2),), steps=410),
    "leaky ReLU, tiles": healthy("dilated", options=(("activation", "LeakyReLU"),)),
    "ReLU in our tapering MLP": healthy("house taper", options=(("activation", "relu"),)),
    "GELU in our tapering MLP": healthy("house taper", options=(("activation", "gelu"),), steps=410),
    "three times the usual rate, spoken numbers": healthy("tied", learning_rate=1.5e-2),
    "twice the usual rate, pulses": healthy("convgru", learning_rate=1e-2),
    "three times the usual rate, regimes": healthy("experts", learning_rate=1.5e-2, steps=410),
    "three times the usual rate, our tapering MLP": healthy("house taper", learning_rate=1.2e-2, steps=410),
    "a third of the usual rate, picture": healthy("fourier", learning_rate=7e-3, steps=410),
    "warm restarts, regimes": healthy("experts", schedule="restarts", steps=410),
    "warm-up from zero, log": healthy("decoder", schedule="warmup", schedule_start=0.0, steps=410),
    "warm-up from zero, tiles": healthy("dilated", schedule="warmup", schedule_start=0.0),
    "cosine to zero, spoken numbers": healthy("tied", schedule="cosine", steps=410),
    "batches of two, spoken numbers": healthy("tied", batch=2, learning_rate=2e-3, steps=410),
    "batches of four, picture": healthy("fourier", batch=4, learning_rate=5e-3, steps=410),
    "batches of eight, tiles": healthy("dilated", batch=8, learning_rate=5e-3, steps=410),
    "batches of eight, our tapering MLP": healthy("house taper", batch=8, learning_rate=3e-3, steps=410),
    "batches of eight, ratings": healthy("recommender", batch=8, learning_rate=3e-3, steps=410),
    "gradients accumulated over four, ratings": healthy("recommender", accumulate=4),
    "dropout of 0.5, spoken numbers": healthy("tied", options=(("dropout", 0.5),), steps=410),
    "dropout of 0.5, tiles": healthy("dilated", options=(("dropout", 0.5),), steps=410),
    "dropout of 0.3, log": healthy("decoder", options=(("dropout", 0.3),), steps=410),
    "weight decay of 0.1, regimes": healthy("experts", weight_decay=0.1, steps=410),
    "clipping at 1, log": healthy("decoder", clip=1.0),
    "label smoothing, pulses": healthy("convgru", loss="smoothed"),
    "a fifth of the labels wrong, pulses": healthy("convgru", mislabelled=0.2),
    "half of the labels padded, spoken numbers": healthy("tied", ignored=0.5),
    "one class of regimes in four fifths": healthy("experts", corpus="uneven regimes"),
    "causal encoder of five layers": healthy("decoder", options=(("layers", 5),), steps=240),
    "batch norm by hand, ratings": healthy("recommender", options=(("norms", 3),)),
    # Held out
    "zero-initialised branches, tunes": healthy("rotary", options=(("zero", True),)),
    "zero-initialised branches, badges": healthy("excited", options=(("zero", True),), steps=410),
    "output layer of zeros, molecules": healthy("graph", initial=(("scale_head", 0.0),), steps=410),
    "output layer of zeros, sensors": healthy("autoencoder", initial=(("scale_head", 0.0),)),
    "sparse ReLU, molecules": healthy("graph", initial=(("rest_at", -0.2),), steps=410),
    "no norm in our pairs": healthy("house pairs", options=(("norm", "none"),)),
    "three times the usual rate, tunes": healthy("rotary", learning_rate=1.5e-2),
    "twice the usual rate, badges": healthy("excited", learning_rate=0.2),
    "three times the usual rate, sensors": healthy("autoencoder", learning_rate=0.09, steps=410),
    "three times the usual rate, our pairs": healthy("house pairs", learning_rate=0.3),
    "a third of the usual rate, molecules": healthy("graph", learning_rate=2.3e-3, steps=410),
    "warm-up from zero, diary": healthy("wavenet", schedule="warmup", schedule_start=0.0, steps=410),
    "cosine to zero, tunes": healthy("rotary", schedule="cosine"),
    "batches of two, diary": healthy("wavenet", batch=2, learning_rate=2.5e-3, steps=410),
    "batches of four, molecules": healthy("graph", batch=4, learning_rate=3e-3, steps=410),
    "batches of eight, our pairs": healthy("house pairs", batch=8, learning_rate=0.03, steps=410),
    "gradients accumulated over four, badges": healthy("excited", accumulate=4),
    "dropout of 0.3, tunes": healthy("rotary", options=(("dropout", 0.3),)),
    "dropout of 0.1, sensors": healthy("autoencoder", options=(("dropout", 0.1),), steps=410),
    "label smoothing, badges": healthy("excited", loss="smoothed"),
    "Huber loss, molecules": healthy("graph", loss="huber", steps=410),
    "a fifth of the labels wrong, badges": healthy("excited", mislabelled=0.2),
    "half of the labels padded, diary": healthy("wavenet", ignored=0.5),
    "one class of badges in four fifths": healthy("excited", corpus="uneven badges"),
    "rotary transformer of five layers": healthy("rotary", options=(("layers", 5),)),
}


@dataclass(frozen=True)
class HealthyCase:
    """One training without fault: its kind, and the setting."""

    kind: str
    setting: Setting


def plain(setting: Setting) -> Setting:
    """The same network on the same data, trained as usual on as many examples."""
    usual = healthy(setting.architecture, setting.seed)
    return usual.having(
        corpus=setting.corpus, mislabelled=setting.mislabelled, ignored=setting.ignored,
        steps=round(setting.steps * setting.batch / usual.batch),
    )  # fmt: skip


def hard_cases() -> Iterator[HealthyCase]:
    """Every kind of hard healthy training with every seed."""
    for kind, setting in HARD.items():
        for seed in range(NUM_SEEDS):
            yield HealthyCase(kind, setting.having(seed=100 + seed))


def null_cases(number: int = NUM_NULL) -> Iterator[HealthyCase]:
    """Short trainings of every architecture in turn, each with a seed of its own."""
    names = list(ARCHITECTURES)
    for index in range(number):
        setting = healthy(names[index % len(names)], 1000 + index, steps=52, num_train=1024, examined=64)
        yield HealthyCase(setting.architecture, setting)
