"""Scores of the law F that is predicted for a new observation y.

    log score    -log f(y)
    CRPS         int (F(t) - 1{y <= t})^2 dt  =  int_0^1 alpha/2 score_alpha(y) d alpha

with score_alpha that of the central interval of level 1 - alpha. For Student's law of
nu degrees of freedom, location mu and scale sigma, with z = (y - mu) / sigma, Jordan et
al. have

    CRPS = sigma [z (2 F(z) - 1) + 2 f(z) (nu + z^2) / (nu - 1) - c],
    c = 2 sqrt(nu) / (nu - 1) B(1/2, nu - 1/2) / B(1/2, nu/2)^2

and, in the limit, the normal z (2 F(z) - 1) + 2 f(z) - 1/sqrt(pi). Where no density is
known, the integral over the intervals is taken by Gauss and Legendre.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import special, stats

from sklearn_nnci.metrics._arrays import averaged, like, targets
from sklearn_nnci.metrics._intervals import winkler

# Levels of the quadrature: of a Student law the CRPS is then known to 1e-3.
LEVELS = 64


class Student(NamedTuple):
    """Student's law at each entry; normal where `dof` is infinite."""

    location: np.ndarray
    scale: np.ndarray
    dof: np.ndarray

    def crps(self, y: np.ndarray) -> np.ndarray:
        """Return the CRPS at each entry; infinite where the law has no mean."""
        error, nu = y - self.location, self.dof
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            z = error / self.scale
            finite = np.isfinite(nu)
            tail = np.where(finite, (nu + z**2) / (nu - 1.0), 1.0)
            spread = np.where(finite, _half_mean_difference(nu), 1.0 / np.sqrt(np.pi))
            unit = z * (2.0 * stats.t.cdf(z, nu) - 1.0)
            unit += 2.0 * stats.t.pdf(z, nu) * tail - spread
            found = np.where(self.scale > 0.0, self.scale * unit, np.abs(error))
        return np.where((nu <= 1.0) | np.isinf(self.scale), np.inf, found)

    def log_score(self, y: np.ndarray) -> np.ndarray:
        """Return -log f(y) at each entry; -inf at the point of a law without width."""
        error = y - self.location
        with np.errstate(divide="ignore", invalid="ignore"):
            z = error / self.scale
            found = np.log(self.scale) - stats.t.logpdf(z, self.dof)
        point = np.where(error == 0.0, -np.inf, np.inf)
        return np.where(self.scale > 0.0, found, point)


def _half_mean_difference(nu: np.ndarray) -> np.ndarray:
    """Return c, half of E|T - T'|."""
    # B(1/2, b) = sqrt(pi) / (b)_1/2, which keeps its digits for large b.
    beta = special.poch(nu / 2.0, 0.5) ** 2 / special.poch(nu - 0.5, 0.5)
    return 2.0 * np.sqrt(nu / np.pi) / (nu - 1.0) * beta


class ByIntervals(NamedTuple):
    """A law of which a `Prediction` tells but the intervals, and no density."""

    prediction: Any

    def crps(self, y: np.ndarray) -> np.ndarray:
        """Return the CRPS at each entry, by quadrature over levels."""
        nodes, weights = np.polynomial.legendre.leggauss(LEVELS)
        alpha = (1.0 + nodes) / 2.0
        interval = self.prediction.conf_int(1.0 - alpha, obs=True)
        ends = interval.reshape(*y.shape, 2, LEVELS)
        score = winkler(y[:, :, None], ends[:, :, 0], ends[:, :, 1], alpha)
        return score @ (weights * alpha / 4.0)

    def log_score(self, y: np.ndarray) -> np.ndarray:
        """Refuse: intervals have no density."""
        raise ValueError(
            "The predicted law is known by its intervals only, and has no density: the "
            "inverse of the target's transformer is not a line, or loss='poisson'. Try "
            "the interval score or the CRPS."
        )


class Empirical(NamedTuple):
    """The law that residuals tell, of quantiles Q(p) in units of se_obs."""

    prediction: Any

    def crps(self, y: np.ndarray) -> np.ndarray:
        """Return 2 int (1{y <= q_p} - p) (q_p - y) dp at each entry, by quadrature."""
        nodes, weights = np.polynomial.legendre.leggauss(2 * LEVELS)
        p = (1.0 + nodes) / 2.0
        u, scale = self._standardised(y)
        above = self.prediction.law.at(p) - u[:, :, None]  # (n, m, k)
        return scale * (((above >= 0.0) - p) * above @ weights)

    def log_score(self, y: np.ndarray) -> np.ndarray:
        """Return -log f(y) at each entry."""
        u, scale = self._standardised(y)
        return np.log(scale) - self.prediction.law.log_density(u.T).T

    def _standardised(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (y - f) / se_obs and se_obs, each (n, m)."""
        scale = like(y, self.prediction.se_obs, "se_obs")
        return (y - like(y, self.prediction.mean, "mean")) / scale, scale


def law_of(prediction: Any, y: np.ndarray) -> Student | ByIntervals | Empirical:
    """Return the law that a `Prediction` has of the observations `y` (n, m).

    The one whose quantiles are the ends of its prediction intervals: of a committee
    too, whose members are summed up in one scale.
    """
    scale = np.asarray(prediction.se_obs, dtype=float)
    if prediction.log_link or np.isnan(scale).any():
        return ByIntervals(prediction)
    if prediction.law is not None:
        return Empirical(prediction)
    return student(y, prediction.mean, scale, prediction.dof)


def student(y: np.ndarray, location: Any, scale: Any, dof: Any) -> Student:
    """Return Student's law at each entry of `y` (n, m)."""
    law = Student(
        like(y, location, "y_pred"), like(y, scale, "scale"), like(y, dof, "dof")
    )
    if (law.scale < 0.0).any() or (law.dof <= 0.0).any():
        raise ValueError(
            "scale must be >= 0 and dof > 0. Try se_obs and dof of get_prediction(X)."
        )
    return law


def crps(
    y_true: Any, y_pred: Any, scale: Any, *, dof: Any = np.inf,
    sample_weight: Any = None, multioutput: Any = "uniform_average",
) -> Any:  # fmt: skip
    """Return the mean continuous ranked probability score of a Student law.

    The smaller the better, in units of y: an absolute error for a whole distribution,
    to which it reduces where `scale` is 0.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Observations.
    y_pred : array-like, as `y_true`
        Location of the predicted law.
    scale : array-like, as `y_true`, or float
        Its scale, in units of y: ``se_obs`` of a `Prediction`. The standard deviation
        is that only for infinite `dof`.
    dof : float or array-like of shape (n_outputs,) or as `y_true`, default=inf
        Its degrees of freedom; infinite for a normal law.
    sample_weight : array-like of shape (n_samples,), default=None
        A row of weight k counts as k rows.
    multioutput : {'uniform_average', 'raw_values'} or array-like of shape \
(n_outputs,), default='uniform_average'
        The mean over outputs, each of them, or a mean with these weights.

    Returns
    -------
    score : float or ndarray of shape (n_outputs,)
        Infinite where a scale is, or where dof <= 1: such a law has no mean.

    Raises
    ------
    ValueError
        If shapes do not fit, or a scale, degrees of freedom or weights are not
        allowed.

    References
    ----------
    .. [1] T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction,
       and estimation", J. Amer. Statist. Assoc. 102, 2007.
    .. [2] A. Jordan, F. Krueger and S. Lerch, "Evaluating probabilistic forecasts with
       scoringRules", J. Statist. Software 90, 2019.

    Examples
    --------
    >>> from sklearn_nnci.metrics import crps
    >>> round(crps([0.0, 1.0], [0.0, 0.0], 1.0), 4)
    0.4181
    """
    y = targets(y_true)
    score = student(y, y_pred, scale, dof).crps(y)
    return averaged(score, sample_weight, multioutput)


def log_score(
    y_true: Any, y_pred: Any, scale: Any, *, dof: Any = np.inf,
    sample_weight: Any = None, multioutput: Any = "uniform_average",
) -> Any:  # fmt: skip
    """Return the mean negative log density of a Student law.

    The smaller the better. It is unforgiving: an observation far outside of a narrow
    law costs as much as it is improbable.

    Parameters
    ----------
    y_true, y_pred, scale, dof, sample_weight, multioutput : array-like or float
        As in `crps`.

    Returns
    -------
    score : float or ndarray of shape (n_outputs,)
        An array with ``multioutput='raw_values'``; infinite where a scale is.

    Raises
    ------
    ValueError
        As `crps`.

    References
    ----------
    .. [1] I. J. Good, "Rational decisions", J. R. Statist. Soc. B 14, 1952.

    Examples
    --------
    >>> from sklearn_nnci.metrics import log_score
    >>> round(log_score([0.0, 1.0], [0.0, 0.0], 1.0), 4)
    1.1689
    """
    y = targets(y_true)
    score = student(y, y_pred, scale, dof).log_score(y)
    return averaged(score, sample_weight, multioutput)


def msll(
    y_true: Any, y_pred: Any, scale: Any, y_train: Any, *, dof: Any = np.inf,
    sample_weight: Any = None, multioutput: Any = "uniform_average",
) -> Any:  # fmt: skip
    """Return the mean standardised log loss: the log score less a trivial one.

    The trivial model predicts, for every row, a normal law with mean and variance of
    `y_train` [1]_. Negative is better than that, 0 as good.

    Parameters
    ----------
    y_true, y_pred, scale : array-like
        As in `crps`.
    y_train : array-like of shape (n_train,) or (n_train, n_outputs)
        Targets that the model was trained on.
    dof, sample_weight, multioutput : optional
        As in `crps`.

    Returns
    -------
    score : float or ndarray of shape (n_outputs,)
        An array with ``multioutput='raw_values'``.

    Raises
    ------
    ValueError
        As `crps`, or if `y_train` has other outputs than `y_true`, or does not vary.

    References
    ----------
    .. [1] C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine
       Learning", MIT Press, 2006, section 2.5.

    Examples
    --------
    >>> from sklearn_nnci.metrics import msll
    >>> round(msll([0.0, 2.0], [0.1, 1.9], 0.2, y_train=[0.0, 1.0, 2.0]), 3)
    -2.032
    """
    y, trained = targets(y_true), targets(y_train, "y_train")
    if trained.shape[1] != y.shape[1] or not trained.std(axis=0).all():
        raise ValueError(
            f"y_train must vary, and have the {y.shape[1]} outputs of y_true. It has "
            f"{trained.shape[1]}, of standard deviation {trained.std(axis=0)}."
        )
    trivial = student(y, trained.mean(axis=0), trained.std(axis=0), np.inf)
    score = student(y, y_pred, scale, dof).log_score(y) - trivial.log_score(y)
    return averaged(score, sample_weight, multioutput)
