"""Plain PyRadiomics against the fast engine: time, peak memory, largest difference. A process each, the same cores."""

import json
import resource
import subprocess
import sys
import time
from statistics import median

import numpy as np

PRESET = "proliferative_ct"
CASES = [
    # diameter (cm), phases, regions, pairs of runs
    (2, 1, ("tumour",), 5),
    (2, 1, ("tumour", "shell"), 5),
    (5, 1, ("tumour",), 5),
    (5, 1, ("tumour", "shell"), 5),
    (5, 3, ("tumour", "shell"), 3),
    (8, 1, ("tumour", "shell"), 3),
    (8, 3, ("tumour", "shell"), 2),
    (12, 1, ("tumour",), 3),
    (12, 1, ("tumour", "shell"), 3),
    (12, 3, ("tumour", "shell"), 3),
]


def run(engine: str, diameter_cm: float, phases: int, regions: tuple[str, ...]) -> None:
    """In a process of its own: warm up on a small lesion, compute, print seconds, peak memory and values."""
    from core.features.radiomics import RadiomicsExtractor
    from core.features.reference import reference_features
    from core.imaging.simpleitk import to_sitk
    from tests.bench.lesions import lesion

    fast = RadiomicsExtractor(PRESET)
    small, small_regions = lesion(1.5, 1)
    fast.extract(small[0], small_regions["tumour"])
    images, masks = lesion(diameter_cm, phases)
    pairs = [(image, masks[r]) for image in images for r in regions]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    if engine == "fast":
        found = dict(fast.extract_regions(pairs))
        values = [found[i].values for i in range(len(pairs))]
    else:
        values = [reference_features(to_sitk(i), to_sitk(m), fast.parameters) for i, m in pairs]
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    voxels = sum(int((m.array_zyx > 0).sum()) for _, m in pairs)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "peak": peak / 1024,
                "rise": (peak - before) / 1024,
                "values": values,
                "voxels": voxels,
            }
        )
    )


def measured(engine: str, case: tuple[float, int, tuple[str, ...], int]) -> dict[str, object]:
    diameter, phases, regions, _ = case
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.radiomics", engine, str(diameter), str(phases)]
    output = subprocess.run([*command, *regions], check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def difference(plain: list[dict[str, float]], fast: list[dict[str, float]]) -> tuple[float, str]:
    """Largest relative difference and where; values below 1e-12 are compared as they are."""
    worst = (0.0, "")
    for expected, found in zip(plain, fast, strict=True):
        assert set(expected) == set(found)
        for name, value in expected.items():
            if np.isfinite(value) or np.isfinite(found[name]):
                worst = max(worst, (abs(found[name] - value) / max(abs(value), 1e-12), name))
    return worst


def main() -> None:
    print("Hand-crafted features, preset", PRESET, "(944 a region); medians of pairs of runs, each in a new process")
    columns = f"{'lesion':28} {'plain s':>8} {'fast s':>7} {'ratio':>6} {'(range)':>12} {'plain MB':>9} {'fast MB':>8}"
    print(columns, "worst relative difference")
    for case in CASES:
        diameter, phases, regions, count = case
        pairs = [(measured("plain", case), measured("fast", case)) for _ in range(count)]
        plain, fast = (median(p[i]["seconds"] for p in pairs) for i in (0, 1))
        ratios = sorted(p["seconds"] / f["seconds"] for p, f in pairs)
        worst, where = difference(pairs[0][0]["values"], pairs[0][1]["values"])
        label = f"{diameter} cm {'+'.join(regions)} ×{phases}"
        memory = [median(p[i]["peak"] for p in pairs) for i in (0, 1)]
        spread = f"{ratios[0]:.1f}–{ratios[-1]:.1f}"
        print(
            f"{label:28} {plain:8.2f} {fast:7.2f} {median(ratios):6.1f} {spread:>12} {memory[0]:9.0f} {memory[1]:8.0f} "
            f"{worst:.1e} {where}",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), tuple(sys.argv[4:]))
    else:
        main()
