"""In which networks of the fourth part a fault is planted, and with which severities of a network's own.

Those were set by the harm that they do there, the mildest near twice the effect (`harm` measures it).
"""

from benchmarks.doctor.parts.severities import Severities, usual

FOURTH: dict[str, Severities] = {
    # Initialisation
    "confident output layer": {
        "decoder": (9.0, 20.0, 50.0),
        "experts": (7.0, 14.0, 30.0),
        "house taper": (9.0, 15.0, 30.0),
    },
    "equal units": usual("fourier"),
    "saturated units": {"experts": (3.7, 10.0, 40.0), "house taper": (5.0, 10.0, 40.0)},
    "units pinned to one side": {"house taper": (0.62, 0.75, 0.9)},
    "dead units": {"convgru": (0.75, 0.85, 0.94), "dilated": (0.42, 0.6, 0.9), "fourier": (0.5, 0.7, 0.9)},
    "small weights in depth": {"dilated": (0.1, 0.03, 1e-3), "fourier": (0.05, 1e-3, 1e-5)},
    "large weights in depth": {"recommender": (130.0, 500.0, 1e4)},
    "sharp attention": {"decoder": (2.4, 5.0, 15.0)},
    # Parameters and norms
    "optimiser lacks a layer": usual("tied", "recommender"),
    "gradient cut off": usual("tied"),
    "group with rate zero": usual("tied"),
    "bias before batch norm": usual("convgru"),
    "bias before our batch norm": usual("house taper"),
    "batch norm without momentum": usual("convgru"),
    "stale running statistics": {"convgru": (0.55, 0.8, 5.0)},
    "batch norm of one": {"fourier": (1, 2, 3)},
    # Modes
    "trained in evaluation mode": usual("convgru", "house taper"),
    "evaluated in training mode": usual("convgru"),
    "strange data in training mode": {"house taper": (3, 2, 1)},
    "dropout in evaluation": usual("tied", "experts"),
    # Optimiser and loop
    "gradients not cleared": usual("convgru", "recommender"),
    "rate too high": {
        "tied": (10.0, 20.0, 60.0),
        "dilated": (2.4, 4.0, 15.0),
        "decoder": (5.5, 8.0, 25.0),
        "experts": (13.0, 30.0, 100.0),
        "house taper": (22.0, 40.0, 100.0),
    },
    "rate too low": {
        "tied": (4.5, 2e3, 2e4),
        "fourier": (14.0, 2e3, 2e4),
        "experts": (14.0, 2e3, 2e4),
        "house taper": (4.0, 2e3, 2e4),
    },
    "weight decay too strong": {
        "tied": (1.6e-5, 4e-5, 1e-4),
        "dilated": (9e-4, 2e-3, 0.01),
        "experts": (5e-3, 0.015, 0.1),
    },
    "clipping too tight": {"dilated": (0.42, 0.2, 0.05), "fourier": (0.1, 0.05, 0.01)},
    "warm-up that never moves": usual("experts"),
    "bursts of the rate": {"tied": (30.0, 60.0, 200.0), "experts": (60.0, 120.0, 300.0)},
    "attention trained too fast": {"decoder": (5.5, 10.0, 30.0)},
    # Loss
    "softmax before the loss": usual("convgru", "recommender"),
    "likelihood of what is no logarithm": usual("dilated", "decoder"),
    "loss summed": usual("recommender", "fourier"),
    "logarithm of zero": usual("dilated"),
    "attention that sees nothing": usual("decoder"),
    "inputs that are not numbers": usual("convgru"),
    # Wiring
    "attention without its mask": usual("decoder"),
    "features of the future": usual("tied"),
    "rows of the batch mixed": usual("tied", "house taper"),
    "context cut off": {"tied": (2, 4, 7), "convgru": (8, 16, 24)},
    "input multiplied by zero": usual("recommender", "fourier"),
    # Data
    "labels in another order than inputs": usual("recommender", "experts"),
    "label is an input": usual("tied", "house taper"),
    "label of a later place": usual("decoder"),
    "validation stands in training": usual("recommender", "fourier"),
    "training full of copies": {"fourier": (0.93, 0.97, 0.99), "experts": (0.82, 0.93, 0.98)},
    "data in the order of labels": {"experts": (5, 3, 1), "house taper": (120, 40, 1)},
    # Capacity
    "small training set": {"convgru": (750, 256, 64), "fourier": (280, 150, 64), "experts": (1700, 600, 150)},
    "bottleneck": {"tied": (4, 2, 1), "fourier": (7, 4, 2), "house taper": (3, 2, 1)},
}
"""Fault → network → three amounts, the mildest first."""
