"""A network between scalers, as it wants to be trained."""

from typing import Any

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nnci._target import TransformedTargetRegressorCI


def make_scaled(network: Any) -> TransformedTargetRegressorCI:
    """Return `network` with a scaler before X and another around y.

    Networks want X and y of mean 0 and standard deviation 1. With this, raw X and y
    suffice, and predictions and intervals are in units of y.

    Parameters
    ----------
    network : MLPRegressorCI or MLPEnsembleRegressorCI
        Not fitted.

    Returns
    -------
    model : TransformedTargetRegressorCI
        ``TransformedTargetRegressorCI(make_pipeline(StandardScaler(), network),
        transformer=StandardScaler())``, not fitted.

    See Also
    --------
    TransformedTargetRegressorCI : What is returned.

    Notes
    -----
    Counts, ``loss="poisson"``, are not scaled: take a scaler before X alone.
    Parameters of the network are ``regressor__mlpregressorci__alpha`` and so on.
    Columns that are no numbers are encoded before, ``make_pipeline(encoder,
    make_scaled(network))``. Sparse X cannot be centred: add
    ``.set_params(regressor__standardscaler__with_mean=False)``.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_nnci import MLPRegressorCI, make_scaled
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = make_scaled(MLPRegressorCI(hidden_layer_sizes=(3,), max_iter=500,
    ...                                    random_state=0))
    >>> y_pred, pi = model.fit(X, y).predict_interval(X[:2])
    >>> pi.shape
    (2, 2)
    """
    scaled = make_pipeline(StandardScaler(), network)
    return TransformedTargetRegressorCI(scaled, transformer=StandardScaler())
