"""Models: the command line's own, the output for a task, and the activation sites of any Keras model.

Names are loaded when they are used, so that this package does not load Keras.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actsearch.models.baselines import Baseline as Baseline
    from actsearch.models.baselines import BaselineOptions as BaselineOptions
    from actsearch.models.baselines import baseline as baseline
    from actsearch.models.outputs import OutputSpec as OutputSpec
    from actsearch.models.outputs import output_for as output_for
    from actsearch.models.plan import SiteSwap as SiteSwap
    from actsearch.models.plan import SwapReport as SwapReport
    from actsearch.models.plan import plan_swap as plan_swap
    from actsearch.models.saved import load_user_model as load_user_model
    from actsearch.models.searched import SearchedModel as SearchedModel
    from actsearch.models.sites import Site as Site
    from actsearch.models.sites import find_sites as find_sites
    from actsearch.models.swap import swap_activations as swap_activations

_HOMES = {
    "Baseline": "baselines",
    "BaselineOptions": "baselines",
    "OutputSpec": "outputs",
    "SearchedModel": "searched",
    "Site": "sites",
    "SiteKind": "sites",
    "SiteSwap": "plan",
    "SwapReport": "plan",
    "baseline": "baselines",
    "find_sites": "sites",
    "load_user_model": "saved",
    "output_for": "outputs",
    "plan_swap": "plan",
    "swap_activations": "swap",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
