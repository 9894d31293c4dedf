"""Small models after shapes met in the wild, each with the activations that a reader of its code sees."""

from zoo import densities, generative, images, parts, patches, sequence, subclassed, tabular, text, vision
from zoo.registry import KINDS, MODELS, Specimen

__all__ = ["KINDS", "MODELS", "Specimen"]
__all__ += [
    "densities",
    "generative",
    "images",
    "parts",
    "patches",
    "sequence",
    "subclassed",
    "tabular",
    "text",
    "vision",
]
