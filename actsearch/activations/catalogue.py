"""All activations that come with actsearch, family by family."""

from actsearch.activations import rectifiers, self_normalising, sigmoids, smooth

ENTRIES = (*rectifiers.ENTRIES, *self_normalising.ENTRIES, *sigmoids.ENTRIES, *smooth.ENTRIES)
