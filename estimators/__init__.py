"""Models of the zoo with scikit-learn's interface: `CTRClassifier` and `CTRRegressor`."""

try:
    import sklearn  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'ctrzoo.estimators needs scikit-learn. Install it by `pip install "ctrzoo[sklearn]"`.', name="sklearn"
    ) from error

from .classifier import CTRClassifier
from .regressor import CTRRegressor

__all__ = ["CTRClassifier", "CTRRegressor"]
