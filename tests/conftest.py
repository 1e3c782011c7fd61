"""Fixtures shared by all tests: a home of its own, synthetic patients and cases, a small trained bundle."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.config import settings
from core.domain.phase import Modality, Phase
from core.services.demonstration_bundles import DemonstrationSize, build_from_recipe
from core.services.setup import ensure_database
from core.synthetic.patients import SyntheticPatient, synthetic_patients
from core.synthetic.render import RenderedCase, render_case
from model_registry.bundle import Bundle
from model_registry.recipe import Recipe, load_recipe

SHARED = Path(os.environ.get("HEPABOARD_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
SMALL = DemonstrationSize(
    patients=44,
    external_patients=0,
    network_patients=8,
    network_width=4,
    network_epochs=1,
    workers=2,
    shuffled_check=False,
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh HEPABOARD_HOME with a migrated database."""
    monkeypatch.setenv("HEPABOARD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HEPABOARD_DATABASE_URL", raising=False)
    settings.cache_clear()
    ensure_database()
    yield tmp_path / "home"
    from core.storage.database import engine

    engine(settings().url).dispose()
    settings.cache_clear()


@pytest.fixture(scope="session")
def patient() -> SyntheticPatient:
    return synthetic_patients(3, 5)[1]


@pytest.fixture(scope="session")
def ct_case(patient: SyntheticPatient) -> RenderedCase:
    return render_case(patient, Modality.CT)


@pytest.fixture(scope="session")
def mr_case(patient: SyntheticPatient) -> RenderedCase:
    return render_case(patient, Modality.MR, phases=(Phase.AP, Phase.PVP))


def small_recipe(name: str) -> Recipe:
    """A shipped recipe with the screening and folds that 44 patients can bear."""
    recipe = load_recipe(name)
    screening = [{"step": "outliers"}, {"step": "zscore"}, {"step": "mrmr", "features": 4}]
    lean = {"screening": screening, "estimators": ["lasso_logistic", "naive_bayes"]}
    signatures = [type(s).model_validate({**s.model_dump(), **lean}) for s in recipe.signatures]
    folds = type(recipe.cross_validation)(outer_folds=3, signature_folds=3)
    return recipe.model_copy(update={"signatures": signatures, "cross_validation": folds})


@pytest.fixture(scope="session")
def small_ct_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The CT demonstration bundle, smaller, by the code that made the shipped one."""
    work = tmp_path_factory.mktemp("bundle")
    return build_from_recipe(small_recipe("proliferative_ct_dlr"), work / "ct", size=SMALL, seed=3, work=work)


def shared_data(*parts: str) -> Path:
    """A file or folder of real data, or a skip that says what is missing."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"not run: real data {'/'.join(parts)} is not here (HEPABOARD_TEST_DATA names its folder)")
    return path


@pytest.fixture(scope="session")
def hcc_dicom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The portal venous CT of a real HCC patient as a folder of DICOM files."""
    import tarfile

    archive = shared_data("hcc_ct_portal_venous", "dicom.tar.gz")
    folder = tmp_path_factory.mktemp("hcc")
    with tarfile.open(archive) as held:
        held.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def ircad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real CT with expert masks: folders PATIENT_DICOM and MASKS_DICOM."""
    import tarfile
    import zipfile

    folder = tmp_path_factory.mktemp("ircad")
    with tarfile.open(shared_data("ircad17_liver_tumour", "PATIENT_DICOM.tar.xz")) as held:
        held.extractall(folder, filter="data")
    with zipfile.ZipFile(shared_data("ircad17_liver_tumour", "MASKS_DICOM.zip")) as held:
        held.extractall(folder)
    return folder
