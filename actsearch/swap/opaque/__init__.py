"""Layers and models whose own code applies activations: what it applies, and how that is exchanged."""
