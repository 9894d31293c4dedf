"""Matplotlib figures of a search and of activations."""

from typing import TYPE_CHECKING

from actsearch._lazy import lazy_names

if TYPE_CHECKING:
    from actsearch.visualization.comparisons import plot_differences as plot_differences
    from actsearch.visualization.comparisons import plot_executions as plot_executions
    from actsearch.visualization.comparisons import plot_pareto as plot_pareto
    from actsearch.visualization.costs import plot_costs as plot_costs
    from actsearch.visualization.curves import plot_curves as plot_curves
    from actsearch.visualization.dead_units import health_map as health_map
    from actsearch.visualization.dead_units import plot_health_map as plot_health_map
    from actsearch.visualization.functions_plot import plot_activation as plot_activation
    from actsearch.visualization.hyperparameters import plot_importance as plot_importance
    from actsearch.visualization.hyperparameters import plot_interaction as plot_interaction
    from actsearch.visualization.site_map import compare_sites as compare_sites
    from actsearch.visualization.site_map import plot_site_map as plot_site_map

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "compare_sites": "site_map",
        "health_map": "dead_units",
        "plot_activation": "functions_plot",
        "plot_costs": "costs",
        "plot_curves": "curves",
        "plot_differences": "comparisons",
        "plot_executions": "comparisons",
        "plot_health_map": "dead_units",
        "plot_importance": "hyperparameters",
        "plot_interaction": "hyperparameters",
        "plot_pareto": "comparisons",
        "plot_site_map": "site_map",
    },
)
