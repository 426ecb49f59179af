"""In which networks of the third part a fault is planted, and with which severities of a network's own.

Those were set by the harm that they do there, the mildest near twice the effect (`harm` measures it).
"""

from benchmarks.doctor.parts.severities import USUAL, Severities, usual

THIRD: dict[str, Severities] = {
    # Initialisation
    "confident output layer": {"postnorm": (15.0, 30.0, 60.0), "house wide": (5.0, 8.0, 15.0)},
    "equal units": usual("sets"),
    "saturated units": {"bag": (10.0, 20.0, 40.0), "house wide": (2.5, 6.0, 40.0)},
    "units pinned to one side": {"bag": (0.84, 0.9, 0.97), "house wide": (0.78, 0.86, 0.94)},
    "dead units": {"sets": (0.5, 0.7, 0.9)},
    "small weights in depth": {"sets": (0.05, 5e-3, 1e-5)},
    "large weights in depth": {"sets": (60.0, 250.0, 1e3)},
    "sharp attention": {"seq2seq": (4.5, 10.0, 30.0)},
    "recurrence that forgets": {"irnn": (0.32, 0.2, 0.01)},
    # Parameters and norms
    "gradient cut off": usual("bag"),
    "group with rate zero": usual("house wide"),
    "bias before batch norm": usual("densenet"),
    "bias before our batch norm": usual("house wide"),
    "batch norm without momentum": usual("densenet"),
    "stale running statistics": {"densenet": (0.6, 1.0, 5.0)},
    "batch norm of one": {"bag": (1, 2, 3)},
    # Modes
    "trained in evaluation mode": usual("postnorm", "house wide"),
    "strange data in training mode": {"densenet": (3, 2, 1), "house wide": (3, 2, 1)},
    "dropout in evaluation": usual("unet", "bag"),
    # Optimiser and loop
    "gradients not cleared": usual("unet", "irnn"),
    "rate too high": {
        "unet": (22.0, 60.0, 300.0),
        "densenet": (5.0, 10.0, 30.0),
        "bag": (8.0, 20.0, 100.0),
        "sets": (8.0, 15.0, 40.0),
        "postnorm": (6.0, 12.0, 40.0),
        "irnn": (5.0, 10.0, 30.0),
    },
    "rate too low": {
        "unet": (10.0, 2e3, 2e4),
        "densenet": (6.0, 2e3, 2e4),
        "bag": (15.0, 2e3, 2e4),
        "seq2seq": (13.0, 2e3, 2e4),
        "postnorm": (30.0, 2e3, 2e4),
        "house wide": (12.0, 2e3, 2e4),
    },
    "weight decay too strong": {"unet": (0.006, 0.03, 0.1), "densenet": (3e-4, 1e-3, 0.03), "bag": USUAL},
    "clipping too tight": {"house wide": (0.06, 0.02, 0.003)},
    "warm-up that never moves": usual("sets"),
    "bursts of the rate": {"bag": (150.0, 220.0, 300.0), "irnn": (12.0, 30.0, 100.0)},
    "attention trained too fast": {"seq2seq": (4.5, 10.0, 30.0), "postnorm": (17.0, 30.0, 100.0)},
    # Loss
    "softmax before the loss": usual("bag", "sets"),
    "likelihood of what is no logarithm": usual("seq2seq"),
    "loss summed": usual("bag", "house wide"),
    "logarithm of zero": usual("sets"),
    "attention that sees nothing": usual("postnorm"),
    "inputs that are not numbers": usual("unet", "irnn"),
    # Wiring
    "attention without its mask": usual("postnorm"),
    "rows of the batch mixed": usual("bag"),
    "context cut off": usual("seq2seq", "irnn"),
    "input multiplied by zero": usual("bag", "house wide"),
    # Data
    "labels in another order than inputs": usual("densenet", "bag"),
    "label is an input": usual("house wide"),
    "label of a later place": usual("house wide"),
    "validation stands in training": usual("bag", "sets"),
    "training full of copies": {"unet": (0.989, 0.993, 0.995), "sets": (0.97, 0.98, 0.99), "irnn": (0.98, 0.99, 0.995)},
    "data in the order of labels": {"sets": (30, 8, 1), "house wide": (64, 16, 1)},
    # Capacity
    "small training set": {"unet": (215, 128, 32), "bag": (1200, 400, 64), "sets": (220, 100, 48)},
    "bottleneck": usual("bag", "seq2seq", "sets"),
}
"""Fault → network → three amounts, the mildest first."""
