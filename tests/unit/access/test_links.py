"""Signed links: who may read a volume, for how long, and that nothing can be altered."""

import stat
from pathlib import Path

import pytest

from core.access.links import LinkRefusedError, VolumeGrant, check, sign

GRANT = VolumeGrant(user="local", browser="b1", case="A", sha256="0" * 64)


def test_a_link_works_in_its_own_session(tmp_path: Path) -> None:
    assert check(sign(GRANT, tmp_path), browser="b1", home=tmp_path, max_age_s=60) == GRANT


@pytest.mark.parametrize("browser", ["b2", ""])
def test_a_copied_link_is_refused_elsewhere(tmp_path: Path, browser: str) -> None:
    with pytest.raises(LinkRefusedError, match="another session"):
        check(sign(GRANT, tmp_path), browser=browser, home=tmp_path, max_age_s=60)


def test_an_altered_link_is_refused(tmp_path: Path) -> None:
    token = sign(GRANT, tmp_path)
    with pytest.raises(LinkRefusedError, match="not valid"):
        check(token[:-2] + ("AA" if token[-2:] != "AA" else "BB"), browser="b1", home=tmp_path, max_age_s=60)


def test_an_old_link_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LinkRefusedError, match="expired"):
        check(sign(GRANT, tmp_path), browser="b1", home=tmp_path, max_age_s=-1)


def test_another_installation_does_not_accept_it(tmp_path: Path) -> None:
    with pytest.raises(LinkRefusedError, match="not valid"):
        check(sign(GRANT, tmp_path / "a"), browser="b1", home=tmp_path / "b", max_age_s=60)


def test_the_secret_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    sign(GRANT, tmp_path)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
