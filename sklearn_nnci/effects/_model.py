"""What effects need of an estimator: networks, rows as they see them, units of y."""

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_nnci._ensemble import MLPEnsembleRegressorCI
from sklearn_nnci._inference import queries
from sklearn_nnci._inverse import Inverse
from sklearn_nnci._network.losses import LOSSES
from sklearn_nnci._network.perceptron import Network, linear_predictor
from sklearn_nnci._regressor import MLPRegressorCI
from sklearn_nnci._target import TransformedTargetRegressorCI
from sklearn_nnci._wrapped import unwrap

# Step of the derivative of a target's inverse, relative to the spread of its argument:
# the error of a central difference is then of the order of 1e-10.
STEP = 1e-5


class Member(NamedTuple):
    """A network with its inference."""

    estimator: Any
    state: dict[str, Any]
    network: Network


class Model(NamedTuple):
    """Networks that predict, and what lies before and behind them."""

    outer: Any
    """The estimator that was given."""
    inner: Any
    """The network or committee in it."""
    members: tuple[Member, ...]
    weights: np.ndarray
    """(K,), of sum 1."""
    inverse: Inverse | None
    """y = g(u), u what the network predicts; None: it predicts y."""

    @property
    def committee(self) -> bool:
        """Whether several networks are averaged."""
        return isinstance(self.inner, MLPEnsembleRegressorCI)

    @property
    def state(self) -> dict[str, Any]:
        """The inference of the best member."""
        return self.members[int(np.argmax(self.weights))].state

    @property
    def dof(self) -> float:
        """Degrees of freedom of the quantiles."""
        return float(self.weights @ [one.state["dof"][0] for one in self.members])

    @property
    def kinked(self) -> bool:
        """Whether the curve has kinks."""
        return self.members[0].network.kinked

    @property
    def is_line(self) -> bool:
        """Whether y = a u + b."""
        return self.inverse is None or bool(np.isfinite(self.inverse.slopes).all())

    @property
    def misfit(self) -> bool:
        """Whether fit warned of a misfit."""
        raised = self.inner.inference_.warnings
        return any(text.startswith("MisfitWarning") for text in raised)

    def sees(self, X: Any) -> np.ndarray:
        """Return the rows `X` as the network sees them, dense (n, d)."""
        _, seen, _ = _inside(self.outer, X)
        seen = validate_data(
            self.inner, seen, accept_sparse="csr", dtype=np.float64, reset=False
        )
        return seen.toarray() if issparse(seen) else seen

    def targets(self, y: Any) -> Any:
        """Return `y` as the network sees it."""
        end = unwrap(self.outer)[0]
        if isinstance(end, TransformedTargetRegressorCI):
            return end._targets(y)[1][:, 0]
        return y

    def predicts(self, seen: np.ndarray) -> np.ndarray:
        """Return u of rows as the network sees them, (n,)."""
        each = [linear_predictor(one.network, seen)[0] for one in self.members]
        return self.weights @ np.array(each)

    def line(self, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return g'(u) and g(u) - g'(u) u of rows, (n,): y is linear in u nearby.

        ValueError where g has no slope, or that is 0: errors would vanish.
        """
        n = len(seen)
        if self.inverse is None:
            return np.ones(n), np.zeros(n)
        a = self.inverse.slopes.ravel()
        if self.is_line:
            b = self.inverse.of(np.zeros(1)).ravel()
            return np.full(n, a[0]), np.full(n, b[0])
        u = self.predicts(seen)
        slope = self._slope(u)
        if not (np.isfinite(slope).all() and slope.all()):
            raise ValueError(
                f"The inverse of transformer_={self.inverse.transformer!r} has no "
                "slope at some of these rows: their effects on y have no standard "
                "errors. Try a transformer that does not clip, or regressor_ of the "
                "model, whose effects are on the transformed y."
            )
        return slope, self.inverse.of(u).reshape(n) - slope * u

    def _slope(self, u: np.ndarray) -> np.ndarray:
        """Return g'(u) of an inverse that is no line."""
        spread = np.sqrt(max(float(self.state["rows"]["squares"][0]), 0.0))
        h = STEP * (spread / np.sqrt(self.state["rows"]["weight"]) or 1.0)
        assert self.inverse is not None
        with np.errstate(all="ignore"):
            above, below = (self.inverse.of(u + s * h) for s in (1.0, -1.0))
        return (above - below).reshape(len(u)) / (2.0 * h)


def model_of(estimator: Any) -> Model:
    """Return the `Model` of a fitted estimator.

    Raises TypeError if it does not end in a network with inference, NotFittedError if
    it has none, ValueError if it has several outputs or counts.
    """
    inner, _, inverse = _inside(estimator)
    if isinstance(inner, MLPEnsembleRegressorCI):
        check_is_fitted(inner)
        weights, networks = inner._in_use()
        queries.warn_stale(inner._asked, inner._own_parameters())
    elif isinstance(inner, MLPRegressorCI):
        weights, networks = np.ones(1), [inner]
    else:
        raise TypeError(
            f"estimator ends in no network with inference, got {inner!r}. Try an "
            "MLPRegressorCI or MLPEnsembleRegressorCI, alone, at the end of a pipeline "
            "or search, or inside a TransformedTargetRegressorCI."
        )
    members = tuple(Member(one, *one._with_inference()) for one in networks)
    _check(members)
    if isinstance(inner, MLPRegressorCI):
        queries.warn_stale(members[0].state["asked"], inner._asked_for())
    return Model(estimator, inner, members, weights, inverse)


def _inside(estimator: Any, X: Any = None) -> tuple[Any, Any, Inverse | None]:
    """Return the network or committee inside, X as it sees it, the inverse of y."""
    end, X = unwrap(estimator, X)
    if not isinstance(end, TransformedTargetRegressorCI):
        return end, X, None
    check_is_fitted(end)
    return *unwrap(end.regressor_, X), end._g


def _check(members: tuple[Member, ...]) -> None:
    """Refuse what has no effects yet."""
    loss, m = members[0].estimator._training().loss, members[0].network.n_outputs
    if not LOSSES[loss].linear:
        raise ValueError(
            f"loss={loss!r} has no effects with standard errors: they are for squared "
            "errors. Try loss='squared_error'."
        )
    if m > 1:
        raise ValueError(
            f"Effects are of one output, the network has {m}. Try a network for each."
        )
    gammas = [getattr(one.estimator, "_tuned", {}).get("gamma") for one in members]
    if all(gamma is not None and np.sum(gamma) < 1.0 for gamma in gammas):
        raise ValueError(
            "Training found that y does not depend on X (no parameter is determined "
            "by the data): there are no effects to estimate. Try more rows, or other "
            "columns."
        )
