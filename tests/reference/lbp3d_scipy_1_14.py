"""Write lbp3d_scipy_1_14.csv: PyRadiomics' LBP-3D features where SciPy still has `sph_harm`.

Run in an environment of its own: Python 3.11, scipy 1.14.1, numpy 2.2.6, pyradiomics 3.0.1, trimesh, SimpleITK. The
image is made from formulas, so that every environment has the same voxels.
"""

import csv
import logging
from pathlib import Path

import numpy as np

PARAMETERS = {"setting": {"binWidth": 0.25}, "imageType": {"LBP3D": {}}}
CLASSES = ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")


def formula_image() -> tuple[np.ndarray, np.ndarray]:
    """Whole-numbered waves and an egg-shaped mask, (z, y, x) = (16, 20, 22)."""
    z, y, x = np.meshgrid(np.arange(16), np.arange(20), np.arange(22), indexing="ij")
    image = np.floor(50 + 30 * np.sin(x * 1.1) * np.cos(y * 0.7) + 20 * np.sin(z * 0.9 + x * y * 0.05)).astype(np.int16)
    mask = ((z - 7.5) / 5) ** 2 + ((y - 9.5) / 7) ** 2 + ((x - 10.5) / (8 - 0.2 * z)) ** 2 < 1
    return image, mask.astype(np.uint8)


if __name__ == "__main__":
    import scipy
    import SimpleITK
    from radiomics import featureextractor, logger

    logger.setLevel(logging.ERROR)
    image, mask = (SimpleITK.GetImageFromArray(a) for a in formula_image())
    extractor = featureextractor.RadiomicsFeatureExtractor({**PARAMETERS, "featureClass": dict.fromkeys(CLASSES)})
    values = extractor.execute(image, mask)
    with (Path(__file__).parent / "lbp3d_scipy_1_14.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["quantity", "value", "citation"])
        for name, value in values.items():
            if name.startswith("lbp-3D"):
                writer.writerow([name, repr(float(value)), f"PyRadiomics 3.0.1, scipy {scipy.__version__}"])
