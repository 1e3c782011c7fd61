"""The file store: arrays and documents named by the SHA-256 of their content."""

import hashlib
import os
import tempfile
from pathlib import Path

from core.domain.errors import StoreError
from core.domain.volume import Volume


class FileStore:
    """Content-addressed files below `root`. Writing goes to a temporary name, is synced, then renamed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str) -> Path:
        """Where a file is.

        Raises
        ------
        StoreError
            When it is not there.
        """
        path = self._place(sha256)
        if not path.exists():
            raise StoreError(
                f"The stored file {sha256[:12]}… is missing from the file store. Restore it from a backup."
            )
        return path

    def _place(self, sha256: str) -> Path:
        if len(sha256) != 64 or not all(c in "0123456789abcdef" for c in sha256):
            raise StoreError("That is not the name of a stored file.")
        return self.root / sha256[:2] / sha256

    def put(self, content: bytes) -> str:
        """Store bytes; returns their SHA-256."""
        return self.put_new(content)[0]

    def put_new(self, content: bytes) -> tuple[str, bool]:
        """Store bytes; returns their SHA-256 and whether they were not there before.

        Raises
        ------
        StoreError
            When they cannot be written.
        """
        digest = hashlib.sha256(content).hexdigest()
        path = self._place(digest)
        if path.exists():
            return digest, False
        part = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as handle:
                part = Path(handle.name)
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(part, path)
        except OSError as error:
            if part is not None:
                part.unlink(missing_ok=True)
            raise StoreError(f"The file could not be stored: {error.strerror}. Check space and rights.") from error
        return digest, True

    def put_volume(self, volume: Volume) -> str:
        """Store a volume as compressed NIfTI; returns the file's SHA-256."""
        from core.imaging.nifti import nifti_bytes

        return self.put(nifti_bytes(volume))

    def volume(self, sha256: str) -> Volume:
        from core.imaging.nifti import read_nifti_bytes

        return read_nifti_bytes(self.path(sha256).read_bytes())

    def discard(self, sha256: str) -> None:
        """Remove a file that nothing refers to any more."""
        self._place(sha256).unlink(missing_ok=True)
