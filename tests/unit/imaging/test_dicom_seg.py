"""DICOM SEG: a real one against the same mask as NRRD, and a round trip in odd geometries."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from core.domain.errors import InputError
from core.domain.volume import Geometry, Volume
from core.imaging.dicom_seg import is_dicom_seg, read_dicom_seg
from core.imaging.nifti import read_image_file
from core.imaging.resampling import is_part_of, resample_mask
from tests.conftest import shared_data

OBLIQUE = sitk.Euler3DTransform((0, 0, 0), 0.35, -0.2, 0.5).GetMatrix()
GEOMETRIES = {
    "axial": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    "feet last": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0),
    "flipped in plane": (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0),
    "coronal": (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0),
    "sagittal": (0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0),
    "oblique": OBLIQUE,
}


def source_images(geometry: Geometry) -> list:
    """CT slices that a segmentation can refer to, with this geometry."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    series, study, frame = generate_uid(), generate_uid(), generate_uid()
    matrix = np.asarray(geometry.direction).reshape(3, 3)
    made = []
    for k in range(geometry.size_xyz[2]):
        d = Dataset()
        d.file_meta = FileMetaDataset()
        d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d.file_meta.MediaStorageSOPClassUID = d.SOPClassUID = CTImageStorage
        d.file_meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID = generate_uid()
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = study, series, frame
        d.PatientID, d.PatientName = "SYNTHETIC", "Synthetic^Patient"
        d.PatientBirthDate = d.PatientSex = d.StudyDate = d.StudyTime = d.AccessionNumber = d.StudyID = ""
        d.Modality, d.SeriesNumber, d.InstanceNumber = "CT", 1, k + 1
        d.ImagePositionPatient = [float(v) for v in geometry.to_mm_lps(np.array([0, 0, k]))]
        d.ImageOrientationPatient = [float(v) for v in (*matrix[:, 0], *matrix[:, 1])]
        d.PixelSpacing = [geometry.spacing_mm_xyz[1], geometry.spacing_mm_xyz[0]]
        d.SliceThickness = geometry.spacing_mm_xyz[2]
        d.Columns, d.Rows = geometry.size_xyz[:2]
        d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
        d.BitsAllocated = d.BitsStored = 16
        d.HighBit, d.PixelRepresentation = 15, 1
        d.PixelData = np.zeros(geometry.size_xyz[1::-1], np.int16).tobytes()
        made.append(d)
    return made


def write_seg(path: Path, masks: list[Volume]) -> None:
    import highdicom as hd
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    described = [
        hd.seg.SegmentDescription(
            segment_number=n,
            segment_label=f"mask {n}",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Neoplasm,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for n in range(1, len(masks) + 1)
    ]
    made = hd.seg.Segmentation(
        source_images=source_images(masks[0].geometry),
        pixel_array=np.stack([m.array_zyx for m in masks], axis=-1),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=described,
        series_instance_uid=generate_uid(),
        series_number=2,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
        omit_empty_frames=True,
    )
    made.save_as(path)


@pytest.mark.parametrize("name", list(GEOMETRIES))
def test_a_mask_comes_back_from_dicom_seg_where_it_was(tmp_path: Path, name: str) -> None:
    geometry = Geometry(
        size_xyz=(13, 17, 9), spacing_mm_xyz=(0.8, 1.1, 2.5), origin_mm_lps=(12.5, -40.0, 7.0),
        direction=tuple(GEOMETRIES[name]),
    )  # fmt: skip
    array = np.zeros((9, 17, 13), np.uint8)
    array[2:7, 3:12, 4:6] = array[2, 3:12, 4:11] = array[6, 3, 4:9] = 1  # has no symmetry
    mask = Volume(array_zyx=array, geometry=geometry)
    write_seg(tmp_path / "mask.dcm", [mask])
    found = read_dicom_seg(tmp_path / "mask.dcm")
    assert is_part_of(found.geometry, geometry)
    np.testing.assert_array_equal(resample_mask(found, geometry).array_zyx, array)


def test_segments_keep_their_numbers(tmp_path: Path) -> None:
    geometry = Geometry(size_xyz=(12, 10, 6), spacing_mm_xyz=(1.0, 1.0, 2.0))
    first, second = np.zeros((6, 10, 12), np.uint8), np.zeros((6, 10, 12), np.uint8)
    first[1:5, 1:5, 1:5], second[1:5, 5:9, 6:11] = 1, 1
    masks = [Volume(array_zyx=a, geometry=geometry) for a in (first, second)]
    write_seg(tmp_path / "two.dcm", masks)
    found = resample_mask(read_dicom_seg(tmp_path / "two.dcm"), geometry).array_zyx
    np.testing.assert_array_equal(found, first + 2 * second)


def test_a_real_segmentation_is_that_of_its_nrrd() -> None:
    path = shared_data("dicom_seg", "liver.dcm")
    expected = read_image_file(shared_data("dicom_seg", "liver_seg.nrrd"))
    assert is_dicom_seg(path)
    found = read_dicom_seg(path)
    assert is_part_of(found.geometry, expected.geometry)
    np.testing.assert_array_equal(resample_mask(found, expected.geometry).array_zyx, expected.array_zyx)


def test_an_image_is_no_segmentation(tmp_path: Path) -> None:
    assert not is_dicom_seg(shared_data("dicom_seg", "01.dcm"))
    (tmp_path / "text").write_text("x")
    assert not is_dicom_seg(tmp_path / "text")
    with pytest.raises(InputError, match="cannot be read"):
        read_dicom_seg(shared_data("dicom_seg", "01.dcm"))
