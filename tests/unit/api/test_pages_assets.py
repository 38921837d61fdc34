"""The page's files: where they are, what they weigh, that others' are unchanged."""

import base64
import gzip
import hashlib
import re
from pathlib import Path

import pytest

from depthcast.api.pages.assets import Assets, web_folder
from depthcast.api.pages.queue import LEAST, WIDTH, _widths


@pytest.fixture(scope="module")
def assets() -> Assets:
    return Assets(web_folder() / "static")


def test_files_of_others_are_the_ones_their_list_names() -> None:
    vendor = web_folder() / "static" / "vendor"
    listed = dict(re.findall(r"^  (\S+) sha384-(\S+)$", (vendor / "README.txt").read_text(), re.M))
    assert set(listed) == {path.name for path in vendor.iterdir() if path.suffix != ".txt"}
    for name, digest in listed.items():
        assert base64.b64encode(hashlib.sha384((vendor / name).read_bytes()).digest()).decode() == digest


def test_a_modules_imports_are_known_beforehand_and_are_there(assets: Assets) -> None:
    of_a_book = assets.modules("js/book.js")
    assert of_a_book[0] == "js/book.js"
    assert {"js/stream.js", "js/numbers.js", "js/ladder.js", "js/pictures.js"} < set(of_a_book)
    used = {*of_a_book, *assets.modules("js/overview.js"), *assets.modules("js/system.js")}
    assert used == {name for name in assets if name.startswith("js/")}


def test_a_page_weighs_less_than_a_picture(assets: Assets) -> None:
    sent = [name for name in assets if not name.endswith(".txt")]
    folder = web_folder() / "static"
    assert sum(len(gzip.compress((folder / name).read_bytes())) for name in sent) < 100_000


def test_the_digest_is_another_one_when_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "page.css").write_text("a{}")
    before = Assets(tmp_path).digest
    (tmp_path / "page.css").write_text("b{}")
    assert Assets(tmp_path).digest != before


def test_templates_have_neither_scripts_nor_styles_nor_handlers_in_line() -> None:
    for path in (web_folder() / "templates").iterdir():
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|hx-on|javascript:", text), (
            path
        )


@pytest.mark.parametrize("sizes", [[1], [5, 1, 100_000], [1] * 200, [1_000_000, *[1] * 150]])
def test_the_orders_of_a_queue_fill_its_picture_and_none_vanishes(sizes: list[int]) -> None:
    widths = _widths(sizes)
    assert min(widths) >= LEAST
    assert sum(widths) + 2 * (len(sizes) - 1) == pytest.approx(WIDTH, abs=3)
    assert widths.index(max(widths)) == sizes.index(max(sizes))
