"""Routes beside Streamlit's: the viewer's scripts, volumes and drawings by signed link; what each response carries."""

import asyncio
import hashlib
import re
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from pathlib import Path

import streamlit
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.domain.errors import HepaBoardError
from core.services.viewing import (
    BROWSER_COOKIE,
    DRAWING_ROUTE,
    SURFACE_ROUTE,
    VOLUME_ROUTE,
    LinkRefusedError,
    linked_file,
    linked_surface,
    new_browser_id,
    work_on_linked_phase,
)

APP = Path(__file__).parent.parent / "viewer/app"
APP_ROUTE = "/viewer/app"
LARGEST_DRAWING_BYTES = 64 << 20
NIIVUE = Path(__file__).parent.parent / "viewer/node_modules/@niivue/niivue/dist/index.js"
NIIVUE_ROUTE = "/viewer/niivue.js"


def routes() -> list[Route]:
    return [
        Route(NIIVUE_ROUTE, _niivue),
        Route(f"{APP_ROUTE}/{{version}}/{{name}}", _app),
        Route(f"{DRAWING_ROUTE}/{{token}}", _drawing, methods=["POST"]),
        Route(f"{VOLUME_ROUTE}/{{token}}/volume.nii.gz", _volume),
        Route(f"{SURFACE_ROUTE}/{{token}}/surface.stl", _surface),
    ]


def middleware() -> list[Middleware]:
    return [Middleware(BrowserSession)]


@cache
def app_script() -> str:
    """Address of the viewer's entry script; the version in it changes with any of its scripts."""
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(APP.glob("*.js"))))
    return f"{APP_ROUTE}/{digest.hexdigest()[:12]}/viewer.js"


async def _app(request: Request) -> Response:
    path = APP / request.path_params["name"]
    if path.suffix != ".js" or path.parent != APP or not path.is_file():
        return PlainTextResponse("There is no such script.", status_code=404)
    return FileResponse(path, media_type="text/javascript", headers={"Cache-Control": "private, max-age=86400"})


async def _drawing(request: Request) -> Response:
    """An operation of the workbench: a mask comes in, the changed mask goes back; nothing is stored."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_DRAWING_BYTES:
            return JSONResponse({"error": "The drawing is too large to work on."}, status_code=413)
    browser = request.cookies.get(BROWSER_COOKIE, "")
    try:
        made = await asyncio.to_thread(work_on_linked_phase, request.path_params["token"], bytes(body), browser=browser)
    except LinkRefusedError as error:
        return JSONResponse({"error": str(error)}, status_code=403)
    except HepaBoardError as error:
        return JSONResponse({"error": str(error)}, status_code=422)
    return JSONResponse(made, headers={"Cache-Control": "private, no-store"})


async def _niivue(_: Request) -> Response:
    if not NIIVUE.exists():
        return PlainTextResponse("The viewer's library is not installed. Run ./run --setup.", status_code=503)
    return FileResponse(NIIVUE, media_type="text/javascript", headers={"Cache-Control": "private, max-age=86400"})


async def _volume(request: Request) -> Response:
    return await _linked(request, linked_file)


async def _surface(request: Request) -> Response:
    return await _linked(request, linked_surface)


async def _linked(request: Request, find: Callable[..., Path]) -> Response:
    browser = request.cookies.get(BROWSER_COOKIE, "")
    try:
        path = await asyncio.to_thread(find, request.path_params["token"], browser=browser)
    except LinkRefusedError as error:
        return PlainTextResponse(str(error), status_code=403)
    except HepaBoardError as error:
        return PlainTextResponse(str(error), status_code=404)
    return FileResponse(path, media_type="application/octet-stream", headers={"Cache-Control": "private, no-store"})


@cache
def content_security_policy() -> str:
    """Everything comes from this server; no code from text (eval), no inline script but Streamlit's own, by its hash.

    Streamlit sets styles in the page (emotion), and its components run from blob modules.
    """
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    hashes = " ".join(f"'sha256-{b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'self'; script-src 'self' blob: {hashes}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "object-src 'none'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
    )


class BrowserSession:
    """Gives each browser a random cookie that scripts cannot read, and sets the security headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        known = BROWSER_COOKIE in HTTPConnection(scope).cookies

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = content_security_policy()
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                # With the page itself, whichever it is: a bookmark may open the app at any of them.
                if not known and headers.get("content-type", "").startswith("text/html"):
                    cookie = f"{BROWSER_COOKIE}={new_browser_id()}; Path=/; HttpOnly; SameSite=Strict"
                    secure = "; Secure" if scope["scheme"] == "https" else ""
                    headers.append("Set-Cookie", cookie + secure)
            await send(message)

        await self.app(scope, receive, send_with_headers)
