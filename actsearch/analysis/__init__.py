"""Statistics and comparisons that turn records into a verdict, without Keras or MLflow."""

from typing import TYPE_CHECKING

from actsearch._lazy import lazy_names

if TYPE_CHECKING:
    from actsearch.analysis.hyperparameters.importance import Importance as Importance
    from actsearch.analysis.results import BestTrial as BestTrial
    from actsearch.analysis.results import Comparison as Comparison
    from actsearch.analysis.results import CostRatio as CostRatio
    from actsearch.analysis.results import Outcome as Outcome
    from actsearch.analysis.results import Verdict as Verdict
    from actsearch.analysis.statistics import Interval as Interval
    from actsearch.analysis.verdict import judge as judge

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "BestTrial": "results",
        "Comparison": "results",
        "CostRatio": "results",
        "Importance": "hyperparameters.importance",
        "Interval": "statistics",
        "Outcome": "results",
        "Verdict": "results",
        "judge": "verdict",
    },
)
