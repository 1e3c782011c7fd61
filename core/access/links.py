"""Signed links to stored volumes: they expire and work only in the browser session they were made for."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from core.domain.errors import HepaBoardError

BROWSER_COOKIE = "hepaboard_browser"
_SALT = "volume-link"


class LinkRefusedError(HepaBoardError):
    """The link is not valid, too old, or belongs to another session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeGrant:
    """What a link allows: one user in one browser session one use of one stored file of one case.

    `use` is `read`, `surface` for a mask's triangles, or `draw` for the workbench's operations on a phase.
    """

    user: str
    browser: str
    case: str
    sha256: str
    use: str = "read"


def new_browser_id() -> str:
    return secrets.token_urlsafe(24)


def sign(grant: VolumeGrant, home: Path) -> str:
    """The link's token; it shows neither user nor case in clear words of a patient, and cannot be altered."""
    return str(_serializer(home).dumps([grant.user, grant.browser, grant.case, grant.sha256, grant.use]))


def check(token: str, *, browser: str, home: Path, max_age_s: int, use: str = "read") -> VolumeGrant:
    """The grant of a token presented by a browser for a use.

    Raises
    ------
    LinkRefusedError
        When it is altered, expired or was made for another browser session.
    """
    from itsdangerous import BadSignature, SignatureExpired

    try:
        user, owner, case, sha256, granted = _serializer(home).loads(token, max_age=max_age_s)
    except SignatureExpired as error:
        raise LinkRefusedError("The link has expired. Reload the page.") from error
    except (BadSignature, ValueError, TypeError) as error:
        raise LinkRefusedError("The link is not valid.") from error
    if not browser or not secrets.compare_digest(str(owner), browser):
        raise LinkRefusedError("The link belongs to another session.")
    if granted != use:
        raise LinkRefusedError("The link is for another use.")
    return VolumeGrant(user=user, browser=owner, case=case, sha256=sha256, use=granted)


def _serializer(home: Path):  # type: ignore[no-untyped-def]
    from itsdangerous import URLSafeTimedSerializer

    return URLSafeTimedSerializer(_secret(home), salt=_SALT)


def _secret(home: Path) -> bytes:
    """The installation's secret, made once with rights for its owner only."""
    path = home / "secret"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        part = home / f".secret-{secrets.token_hex(8)}"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(secrets.token_bytes(32))
        try:
            os.link(part, path)  # fails if another process was first: its secret stands
        except FileExistsError:
            pass
        finally:
            part.unlink()
    return path.read_bytes()
