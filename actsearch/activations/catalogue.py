"""All activations that come with actsearch, family by family."""

from actsearch.activations import rectifiers, self_normalising, smooth

ENTRIES = (*rectifiers.ENTRIES, *self_normalising.ENTRIES, *smooth.ENTRIES)
