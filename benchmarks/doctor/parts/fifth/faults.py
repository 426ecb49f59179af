"""In which of the held-out networks a fault is planted, and with which severities of a network's own.

Those are set by the harm that they do there, the mildest near twice the effect (`harm` measures it).
"""

from benchmarks.doctor.parts.severities import Severities, usual

FIFTH: dict[str, Severities] = {
    # Initialisation
    "confident output layer": {
        "rotary": (10.0, 25.0, 60.0),
        "wavenet": (5.5, 12.0, 30.0),
        "house pairs": (2.7, 5.0, 12.0),
    },
    "equal units": usual("autoencoder"),
    "saturated units": {"wavenet": (2.9, 6.0, 20.0)},
    "dead units": {"graph": (0.48, 0.7, 0.9), "autoencoder": (0.5, 0.7, 0.9)},
    "small weights in depth": {"graph": (0.012, 1e-3, 1e-7)},
    "large weights in depth": {"graph": (20.0, 60.0, 300.0)},
    "sharp attention": {"rotary": (8.0, 15.0, 50.0)},
    # Parameters and norms
    "optimiser lacks a layer": usual("wavenet"),
    "gradient cut off": usual("house pairs"),
    "group with rate zero": usual("wavenet"),
    "bias before batch norm": usual("autoencoder"),
    "batch norm without momentum": usual("autoencoder"),
    "stale running statistics": {"autoencoder": (0.4, 1.0, 5.0)},
    # Modes
    "trained in evaluation mode": usual("house pairs"),
    "evaluated in training mode": usual("autoencoder"),
    "strange data in training mode": {"autoencoder": (3, 2, 1)},
    "dropout in evaluation": usual("graph"),
    # Optimiser and loop
    "gradients not cleared": usual("autoencoder"),
    "rate too high": {
        "rotary": (7.0, 15.0, 50.0),
        "excited": (12.0, 20.0, 40.0),
        "graph": (8.5, 15.0, 40.0),
        "wavenet": (2.3, 4.0, 15.0),
        "autoencoder": (11.0, 20.0, 60.0),
        "house pairs": (7.0, 12.0, 40.0),
    },
    "rate too low": {
        "rotary": (13.0, 2e3, 2e4),
        "excited": (4.8, 2e3, 2e4),
        "graph": (12.5, 2e3, 2e4),
        "wavenet": (4.5, 2e3, 2e4),
    },
    "weight decay too strong": {
        "rotary": (6e-5, 3e-4, 2e-3),
        "excited": (3.2e-4, 1e-3, 5e-3),
        "graph": (1.1e-4, 5e-4, 3e-3),
        "wavenet": (1.8e-5, 5e-5, 3e-4),
        "house pairs": (4.5e-4, 1e-3, 5e-3),
    },
    "clipping too tight": {"house pairs": (0.24, 0.1, 0.02)},
    "warm-up that never moves": usual("autoencoder"),
    "bursts of the rate": {"wavenet": (24.0, 60.0, 200.0)},
    "attention trained too fast": {"rotary": (10.0, 30.0, 100.0)},
    # Loss
    "softmax before the loss": usual("excited"),
    "likelihood of what is no logarithm": usual("wavenet"),
    "loss summed": usual("autoencoder"),
    "logarithm of zero": usual("autoencoder"),
    "attention that sees nothing": usual("rotary"),
    "inputs that are not numbers": usual("graph"),
    # Wiring
    "attention without its mask": usual("rotary"),
    "convolutions padded on both sides": usual("wavenet"),
    "features of the future": usual("rotary"),
    "rows of the batch mixed": usual("wavenet"),
    "context cut off": usual("house pairs"),
    "input multiplied by zero": usual("house pairs"),
    # Data
    "labels in another order than inputs": usual("excited"),
    "label is an input": usual("house pairs"),
    "label of a later place": usual("rotary"),
    "validation stands in training": usual("graph"),
    "training full of copies": {"graph": (0.96, 0.98, 0.99), "autoencoder": (0.94, 0.97, 0.99)},
    "data in the order of labels": {"excited": (60, 20, 3), "house pairs": (26, 12, 1)},
    # Capacity
    "small training set": {
        "excited": (330, 200, 80),
        "graph": (450, 250, 100),
        "house pairs": (2200, 1000, 200),
    },
    "bottleneck": {"autoencoder": (4, 3, 2), "house pairs": (6, 3, 2)},
}
"""Fault → network → three amounts, the mildest first."""
