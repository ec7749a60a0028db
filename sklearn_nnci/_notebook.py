"""Estimators in a notebook: scikit-learn's diagram, and below it the inference."""

import html
from typing import Any

from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sklearn_nnci._docs import DOCUMENTATION


class InNotebooks:
    """Representations of an estimator that has an `inference_`."""

    # scikit-learn's documented attributes for the links of its diagrams, which there
    # are for estimators of the module named.
    _doc_link_module = __name__.partition(".")[0]
    _doc_link_template = (
        DOCUMENTATION + "api/generated/{estimator_module}.{estimator_name}.html"
    )

    @property
    def _repr_html_(self) -> Any:
        diagram = super()._repr_html_  # type: ignore[misc] # no attribute as text
        return lambda: diagram() + self._inference_html()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]
        if "text/html" in bundle:
            bundle["text/html"] += self._inference_html()
        return bundle

    def _inference_html(self) -> str:
        """Return the table of `inference_`, or why there is none; "" before fit."""
        try:
            check_is_fitted(self)
        except NotFittedError:
            return ""
        try:
            found = self.inference_._repr_html_()  # type: ignore[attr-defined]
        except ValueError as error:  # of which NotFittedError is one
            found = f"<p>{html.escape(str(error))}</p>"
        except AttributeError:  # what is inside has no intervals at all
            return ""
        return f"<details open><summary>Inference</summary>{found}</details>"
