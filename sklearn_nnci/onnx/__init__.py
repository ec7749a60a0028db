"""Models as ONNX graphs that compute their standard errors, for runtimes without us.

``pip install 'sklearn-nnci[onnx]'``. On import, skl2onnx learns of the three estimators
of this package: ``skl2onnx.to_onnx(pipeline, X)`` then converts pipelines that end in
one, with the outputs ``mean``, ``se_mean`` and ``se_obs``.
"""

try:
    import onnx  # noqa: F401
    import skl2onnx  # noqa: F401
except ImportError as error:
    raise ImportError(
        "sklearn_nnci.onnx needs onnx and skl2onnx. Try `pip install "
        "'sklearn-nnci[onnx]'`."
    ) from error

from sklearn_nnci.onnx._convert import to_onnx
from sklearn_nnci.onnx._register import register

__all__ = ["to_onnx"]
register()
