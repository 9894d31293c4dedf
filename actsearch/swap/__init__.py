"""Model surgery: finds the activation sites of a Keras model and builds models with other activations there."""

from typing import TYPE_CHECKING

from actsearch._lazy import lazy_names

if TYPE_CHECKING:
    from actsearch.swap.networks import NetworkBuilder as NetworkBuilder
    from actsearch.swap.networks import NetworkOptions as NetworkOptions
    from actsearch.swap.networks import OutputSpec as OutputSpec
    from actsearch.swap.networks import network_builder as network_builder
    from actsearch.swap.networks import output_for as output_for
    from actsearch.swap.plan import SiteSwap as SiteSwap
    from actsearch.swap.plan import SwapReport as SwapReport
    from actsearch.swap.plan import plan_swap as plan_swap
    from actsearch.swap.searched_model import SearchedModel as SearchedModel
    from actsearch.swap.sites import Site as Site
    from actsearch.swap.sites import SiteKind as SiteKind
    from actsearch.swap.sites import SiteList as SiteList
    from actsearch.swap.sites import find_sites as find_sites
    from actsearch.swap.swap import swap_activations as swap_activations
    from actsearch.swap.user_model import load_user_model as load_user_model

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "NetworkBuilder": "networks",
        "NetworkOptions": "networks",
        "OutputSpec": "networks",
        "SearchedModel": "searched_model",
        "Site": "sites",
        "SiteKind": "sites",
        "SiteList": "sites",
        "SiteSwap": "plan",
        "SwapReport": "plan",
        "network_builder": "networks",
        "find_sites": "sites",
        "load_user_model": "user_model",
        "output_for": "networks",
        "plan_swap": "plan",
        "swap_activations": "swap",
    },
)
