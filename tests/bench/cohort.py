"""A cohort of 40 synthetic cases through a recipe's features, and what an analysed case costs to open."""

import os
import tempfile
import time
from pathlib import Path
from statistics import median

CASES = 40


def cohort(workers: int, folder: Path) -> float:
    from core.services.cohort_features import SyntheticCase, cohort_table, open_weights
    from core.synthetic.patients import synthetic_patients
    from model_registry.recipe import load_recipe

    recipe = load_recipe("proliferative_ct_dlr")
    held = open_weights(
        Path(__file__).parents[2] / "model_registry/demonstration" / recipe.name / "weights/resnet34_2_5d.safetensors"
    )
    cases = [SyntheticCase(patient=p, modality=recipe.modality) for p in synthetic_patients(CASES, 4711)]
    started = time.perf_counter()
    table = cohort_table(recipe, cases, weights={held.architecture: held}, cache=folder, workers=workers)
    assert len(table) == CASES
    return time.perf_counter() - started


def page_open() -> tuple[float, float]:
    """Seconds of the services behind the review and the risk page of an analysed case; medians of 20."""
    from core.services.analyse import analyse_case
    from core.services.cases import show_case
    from core.services.demonstration import make_demonstration
    from core.services.figures import patient_nomogram
    from core.services.jobs import newest_job
    from core.services.setup import ensure_database

    ensure_database()
    made = make_demonstration(cases=1, seed=20250, report=lambda _: None)
    del made
    from core.services.cases import list_cases

    code = list_cases()[0].code
    analyse_case(code)

    def review() -> None:
        show_case(code)
        newest_job(code)

    def risk() -> None:
        case = show_case(code)
        for stored in case.predictions:
            if stored["computed"]:
                patient_nomogram(stored)

    return median(_timed(review) for _ in range(20)), median(_timed(risk) for _ in range(20))


def _timed(work: object) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ["HEPABOARD_HOME"] = home
        print(f"{CASES} synthetic CT cases, two phases, hand-crafted and deep features (rendering included)")
        for workers in (1, 2):
            with tempfile.TemporaryDirectory() as folder:
                first = cohort(workers, Path(folder))
                again = cohort(workers, Path(folder))
            print(f"{workers} worker(s): {first:6.1f} s, again with the cache {again:6.1f} s", flush=True)
        review, risk = page_open()
        print(
            f"An analysed case: services of the review page {1000 * review:.1f} ms, of the risk page {1000 * risk:.1f}"
        )


if __name__ == "__main__":
    main()
