"""Unpack a zip of images; names inside it are not trusted as paths."""

import re
import zipfile
from pathlib import Path

from core.domain.errors import InputError

MAX_UNPACKED_BYTES = 8 * 2**30


def unpack_images(archive: Path, folder: Path) -> list[Path]:
    """The files of a zip, written to `folder` under a number and their own last name.

    Raises
    ------
    InputError
        When the zip is damaged or unpacks to more than 8 GB.
    """
    paths = []
    try:
        with zipfile.ZipFile(archive) as held:
            members = [m for m in held.infolist() if not m.is_dir() and not Path(m.filename).name.startswith(".")]
            if sum(m.file_size for m in members) > MAX_UNPACKED_BYTES:
                raise InputError(f"{archive.name} unpacks to more than 8 GB. Send one study at a time.")
            for number, member in enumerate(members):
                path = folder / f"{number:06d}-{re.sub(r'[^A-Za-z0-9._=-]', '_', Path(member.filename).name)}"
                path.write_bytes(held.read(member))
                paths.append(path)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{archive.name} is damaged or encrypted and could not be unpacked. Send it again.") from error
    return paths
