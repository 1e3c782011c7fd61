"""DICOM and NIfTI in and out, and what phase a series is."""
