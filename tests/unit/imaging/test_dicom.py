"""DICOM intake on series written by the test: order, gaps, interleaving, several acquisitions."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from core.domain.errors import InputError
from core.imaging.dicom import read_series


def write_slice(path: Path, *, series: str, z: float, value: int, **tags: object) -> None:
    """One 16×16 CT slice whose pixels all hold `value` HU, 5 where x = 0 and y = 0."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    image.SeriesInstanceUID, image.StudyInstanceUID, image.Modality = series, "1.2.3", "CT"
    image.ImagePositionPatient, image.ImageOrientationPatient = [-10, -20, z], [1, 0, 0, 0, 1, 0]
    image.PixelSpacing, image.SliceThickness = [0.8, 0.8], 2.5
    image.Rows = image.Columns = 16
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation, image.SamplesPerPixel = 15, 1, 1
    image.PhotometricInterpretation, image.RescaleIntercept, image.RescaleSlope = "MONOCHROME2", -1024, 1
    pixels = np.full((16, 16), value + 1024, np.int16)
    pixels[0, 0] = 5 + 1024
    image.PixelData = pixels.tobytes()
    for name, content in tags.items():
        setattr(image, name, content)
    pydicom.dcmwrite(path, image, enforce_file_format=True)


def a_series(folder: Path, count: int = 8, *, uid: str = "1.2.3.4", prefix: str = "a", base: int = 100, **tags: object):
    for i in range(count):
        # File names run against the position, so that sorting by name would flip the patient.
        write_slice(folder / f"{prefix}{99 - i}.dcm", series=uid, z=2.5 * i, value=base + i, **tags)
    return sorted(folder.iterdir())


def test_slices_are_sorted_by_position_and_rescaled_to_hounsfield_units(tmp_path: Path) -> None:
    series, _ = read_series(a_series(tmp_path))
    volume = series[0].volume
    assert [int(s[5, 5]) for s in volume.array_zyx] == list(range(100, 108))
    assert volume.array_zyx[0, 0, 0] == 5
    assert volume.geometry.spacing_mm_xyz == pytest.approx((0.8, 0.8, 2.5))
    assert volume.geometry.origin_mm_lps == pytest.approx((-10, -20, 0))


def test_a_missing_slice_is_refused_with_its_position(tmp_path: Path) -> None:
    paths = a_series(tmp_path)
    with pytest.raises(InputError, match=r"misses slices: the gap at 5\.0 mm is 5\.00 mm"):
        read_series([p for p in paths if p.name != "a96.dcm"])


def test_acquisitions_of_one_series_are_told_apart(tmp_path: Path) -> None:
    a_series(tmp_path, prefix="a", base=50, AcquisitionNumber=1)
    series, _ = read_series(a_series(tmp_path, prefix="b", base=200, AcquisitionNumber=2))
    assert [int(s.volume.array_zyx[0, 5, 5]) for s in series] == [50, 200]


def test_interleaved_images_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    a_series(tmp_path, prefix="a")
    with pytest.raises(InputError, match="several images at the same position"):
        read_series(a_series(tmp_path, prefix="b"))


def test_other_files_are_counted_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("not an image")
    series, warnings = read_series(a_series(tmp_path))
    assert len(series) == 1
    assert warnings == ["1 file(s) are not DICOM images and were left out."]


def test_a_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(InputError, match="None of the files is a DICOM image"):
        read_series([tmp_path / "x.txt"])


def test_a_localiser_beside_a_volume_is_left_out(tmp_path: Path) -> None:
    write_slice(tmp_path / "loc.dcm", series="9.9", z=0, value=0, SeriesDescription="Localiser")
    series, warnings = read_series(a_series(tmp_path))
    assert len(series) == 1
    assert "too few for a volume" in warnings[0]


def test_a_slice_whose_pixels_were_cut_off_is_refused(tmp_path: Path) -> None:
    paths = a_series(tmp_path)
    paths[3].write_bytes(paths[3].read_bytes()[:-200])
    with pytest.raises(InputError, match="pixel data is damaged"):
        read_series(paths)
