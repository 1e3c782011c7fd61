"""PyRadiomics as it should be imported: with the function newer SciPy took away put back, and quiet.

SciPy 1.15 removed `sph_harm`; PyRadiomics 3.0.1 then leaves out the LBP-3D filter without an error. `sph_harm_y` takes
the same numbers in another order (degree before order, polar before azimuthal angle).
"""

import logging
import warnings
from functools import cache
from typing import Any


def _sph_harm(m: Any, n: Any, theta: Any, phi: Any) -> Any:
    """SciPy's former spherical harmonic: order m, degree n, azimuthal angle theta, polar angle phi."""
    from scipy.special import sph_harm_y

    return sph_harm_y(n, m, phi, theta)


@cache
def prepare_pyradiomics() -> None:
    """Call before anything of `radiomics` is used."""
    import scipy.special

    if not hasattr(scipy.special, "sph_harm"):
        scipy.special.sph_harm = _sph_harm
    warnings.filterwarnings("ignore", message="Applying `local_binary_pattern` to floating-point images")
    warnings.filterwarnings("ignore", message=".*scipy.ndimage.interpolation", category=DeprecationWarning)
    from radiomics import logger

    logger.setLevel(logging.ERROR)


def reference_features(image: Any, mask: Any, parameters: dict[str, Any]) -> dict[str, float]:
    """Plain PyRadiomics on two SimpleITK images: its names and values, less the diagnostics."""
    prepare_pyradiomics()
    from radiomics import featureextractor

    output = featureextractor.RadiomicsFeatureExtractor(parameters).execute(image, mask)
    return {k: float(v) for k, v in output.items() if not k.startswith("diagnostics_")}
