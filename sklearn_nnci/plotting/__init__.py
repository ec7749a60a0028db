"""Pictures of what a network knows, in the convention of scikit-learn's displays.

Each class has ``from_estimator``, and ``from_predictions``, ``from_cv_results`` or
``from_estimates`` where these make sense; ``plot(ax)`` draws again, elsewhere or in
another style; artists are attributes with a trailing underscore; ``frame()`` is a table
of the numbers drawn. Estimators are those of the package, also at the end of a pipeline
or search, or inside a `TransformedTargetRegressorCI`. Drawing needs matplotlib,
importing does not.
"""

from sklearn_nnci.plotting._coverage import CoverageDisplay
from sklearn_nnci.plotting._diagnostics import DiagnosticsDisplay
from sklearn_nnci.plotting._influence import InfluenceDisplay
from sklearn_nnci.plotting._interval import PredictionIntervalDisplay
from sklearn_nnci.plotting._partial_dependence import PartialDependenceIntervalDisplay
from sklearn_nnci.plotting._slopes import SlopesDisplay

__all__ = [
    "CoverageDisplay",
    "DiagnosticsDisplay",
    "InfluenceDisplay",
    "PartialDependenceIntervalDisplay",
    "PredictionIntervalDisplay",
    "SlopesDisplay",
]
