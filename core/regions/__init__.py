"""Segmentation and the regions made from masks."""
