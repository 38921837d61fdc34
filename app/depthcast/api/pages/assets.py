"""The files of ``web``: found, read once, named by what is in them."""

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from litestar import Request

import depthcast
from depthcast.api.answers import Answer
from depthcast.api.documents import Document
from depthcast.api.problems import ApiProblem

__all__ = ["Assets", "web_folder"]

MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_IMPORT: Final = re.compile(rb'^import [^;]* from "\./([\w.]+)";', re.M)


def web_folder() -> Path:
    """The folder with templates and static files: inside the package where it was built into a wheel, beside
    ``app`` in a checkout.

    Raises:
        FileNotFoundError: it is in neither place.
    """
    package = Path(depthcast.__path__[0])
    for folder in (package / "web", package.parents[1] / "web"):
        if (folder / "templates").is_dir():
            return folder
    raise FileNotFoundError(f"the page's files are missing: there is no web/templates in {package}")


class Assets:
    """The static files, in memory.

    Their addresses have a digest of them all, so that a browser may keep them for ever, and a module's
    imports, which are relative, stay within one version.

    Args:
        folder: is read, with the folders in it.
    """

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, Document] = {}
        self._integrity: dict[str, str] = {}
        whole = hashlib.sha256()
        for name, body in _read(folder):
            self._files[name] = Document.of(body, MEDIA_TYPES[Path(name).suffix])
            self._integrity[name] = "sha384-" + base64.b64encode(hashlib.sha384(body).digest()).decode()
            whole.update(name.encode() + b"\0" + hashlib.sha256(body).digest())
        self.digest = whole.hexdigest()[:12]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def url(self, name: str) -> str:
        """Where a file is. Raises KeyError: there is none of that name."""
        self._files[name]
        return f"/static/{self.digest}/{name}"

    def integrity(self, name: str) -> str:
        """What a browser checks a file with before it runs it."""
        return self._integrity[name]

    def modules(self, name: str) -> list[str]:
        """A module and all that it imports: a browser that knows them beforehand gets them at once."""
        found = [name]
        for each in found:
            imported = _IMPORT.findall(self._files[each].body)
            found += [other for part in imported if (other := f"js/{part.decode()}") not in found]
        return found

    def response(self, request: Request[Any, Any, Any], digest: str, name: str) -> Answer:
        """The answer with a file.

        Under another version's digest it is the present file, not to be kept: while servers are replaced,
        a page of the new one may ask an old one.

        Raises:
            ApiProblem: there is no such file.
        """
        document = self._files.get(name)
        if document is None:
            raise ApiProblem("not-found", f"there is no file {name!r}")
        caching = _FOR_EVER if digest == self.digest else "no-store"
        return document.response(request, caching=caching)


def _read(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in MEDIA_TYPES:
            yield path.relative_to(folder).as_posix(), path.read_bytes()
