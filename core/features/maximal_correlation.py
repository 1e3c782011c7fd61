"""The second largest eigenvalue behind GLCM's maximal correlation coefficient.

PyRadiomics builds Q(i, j) = Σ_k p(i, k) p(j, k) / (px(i) py(k) + ε) level by level and takes all eigenvalues of a
general matrix: cubic in grey levels twice over, and the largest cost of a region with hundreds of them. A symmetrical
co-occurrence matrix has px = py, and then Q is similar to S'S with S(i, k) = p(i, k) / √(p(i) p(k)) and S' the same
with ε in its denominator. Without ε it is S², whose eigenvalues are the squares of those of a symmetric matrix. ε moves
them by a part in a thousand at most; that is put right in the space of the leading eigenvectors (Rayleigh-Ritz), whose
error is of second order: the product of the residuals of the right and left space over the gap to the rest of the
spectrum. Where that is not far below the tolerance, the general eigenvalues are computed after all.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
EPSILON = float(np.spacing(1))
GAP = 0.05
LARGEST_SPACE = 24
TOLERANCE = 1e-9


def second_eigenvalues(probabilities: Floats) -> Floats:
    """Second largest eigenvalue of Q for each direction.

    Parameters
    ----------
    probabilities : (directions, levels, levels), each symmetric with sum 1; at least two levels.
    """
    return np.array([_second(p) for p in probabilities])


def _second(p: Floats) -> float:
    margin = p.sum(axis=1)
    present = margin > 0
    if not present.all():
        # A level without a pair in this direction has an empty row and column in Q: eigenvalue 0.
        p, margin = p[np.ix_(present, present)], margin[present]
        if len(p) < 2:
            return 0.0
    root = np.sqrt(margin)
    symmetric = p / np.outer(root, root)
    weighted = p * np.outer(root, root) / (np.outer(margin, margin) + EPSILON)
    values, vectors = np.linalg.eigh(symmetric)
    order = np.argsort(-(values**2))
    squares = values[order] ** 2
    size = int((squares > squares[1] - GAP).sum())
    if size == len(squares) or size > LARGEST_SPACE:
        return _general(weighted, symmetric)
    space = vectors[:, order[:size]]
    right = weighted @ (symmetric @ space)
    left = symmetric @ (weighted @ space)
    projected = space.T @ right
    unexplained = np.linalg.norm(right - space @ projected) * np.linalg.norm(left - space @ projected.T)
    if unexplained / (squares[1] - squares[size]) > TOLERANCE * squares[1]:
        return _general(weighted, symmetric)
    return float(np.sort(np.linalg.eigvals(projected).real)[-2])


def _general(weighted: Floats, symmetric: Floats) -> float:
    return float(np.sort(np.linalg.eigvals(weighted @ symmetric))[-2].real)
