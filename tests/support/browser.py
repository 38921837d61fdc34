"""Debian's Chromium, driven by playwright: pages whose every complaint is kept."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

__all__ = ["chromium", "opened"]

ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
    # Nothing but this machine can be reached: a page that asks elsewhere fails its test.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; the test is skipped where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no Chromium here (Debian: apt-get install --no-install-recommends chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(
    browser: Browser, url: str, *, width: int = 1440, height: int = 900, dark: bool = False, errors: int = 0
) -> Iterator[Page]:
    """A page. Errors in its console and breaches of the content security policy fail the test.

    Args:
        errors: so many lines of failed requests in the console are expected, where a server goes away.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.expose_function("complain", lambda text: complaints.append(text))  # noqa: PLW0108 - not a builtin
    page.add_init_script(
        "addEventListener('securitypolicyviolation', "
        "(each) => complain(`${each.violatedDirective} refused ${each.blockedURI}`))"
    )
    page.goto(url)
    yield page
    context.close()
    if errors:
        complaints = [each for each in complaints if "Failed to load resource" not in each]
    assert not complaints, complaints
