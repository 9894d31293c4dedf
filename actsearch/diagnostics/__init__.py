"""Diagnostics: finds problems of a model before and during training."""

from typing import TYPE_CHECKING

from actsearch._lazy import lazy_names

if TYPE_CHECKING:
    from actsearch.diagnostics.advice import advise as advise
    from actsearch.diagnostics.diagnosis import Diagnosis as Diagnosis
    from actsearch.diagnostics.diagnosis import LayerHealth as LayerHealth
    from actsearch.diagnostics.diagnosis import SiteHealth as SiteHealth
    from actsearch.diagnostics.health import ActivationHealth as ActivationHealth
    from actsearch.diagnostics.health import diagnose as diagnose
    from actsearch.diagnostics.issues import Issue as Issue
    from actsearch.diagnostics.issues import Severity as Severity
    from actsearch.diagnostics.screening import Screening as Screening
    from actsearch.diagnostics.screening import screen as screen

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ActivationHealth": "health",
        "Diagnosis": "diagnosis",
        "Issue": "issues",
        "LayerHealth": "diagnosis",
        "Screening": "screening",
        "Severity": "issues",
        "SiteHealth": "diagnosis",
        "advise": "advice",
        "diagnose": "health",
        "screen": "screening",
    },
)
