"""A real browser for tests: the machine's Chromium, or else the one that Playwright itself has installed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright, expect

OPTIONS = (
    "--no-sandbox",  # build machines run as root
    "--use-fake-device-for-media-stream",  # a camera that shows a test picture
    "--disable-background-networking",
    "--disable-component-update",
)
PATIENCE_MS = 30_000  # for what a page is expected to come to; Playwright's own five seconds suit an idle machine


def launch(playwright: Playwright) -> Browser:
    """Start the browser without a window, or skip the tests that need one."""
    expect.set_options(timeout=PATIENCE_MS)
    try:
        return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=OPTIONS)
    except Error as error:
        pytest.skip(f"no browser: `make test-setup` fetches one where it can ({str(error).splitlines()[0]})")


@contextmanager
def watched(context: BrowserContext, address: str) -> Iterator[Page]:
    """Open a page, and afterwards make sure that nothing went wrong in it or left for another address."""
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if "Policy" in message.text else None)
    page.on(
        "request", lambda asked: None if asked.url.startswith((address, "blob:", "data:")) else wrong.append(asked.url)
    )
    yield page
    assert wrong == []


def drop(page: Page, *files: Path) -> None:
    """Let files fall on the page, as a file manager would."""
    transfer = page.evaluate_handle("() => new DataTransfer()")
    for file in files:
        page.evaluate(
            "([transfer, bytes, name]) => transfer.items.add(new File([new Uint8Array(bytes)], name))",
            [transfer, list(file.read_bytes()), file.name],
        )
    page.dispatch_event("body", "dragover", {"dataTransfer": transfer})
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})


def paste(page: Page, png: bytes) -> None:
    """Put a picture on the clipboard, and press the keys that paste it."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(
        "bytes => navigator.clipboard.write([new ClipboardItem({'image/png': new Blob([new Uint8Array(bytes)], "
        "{type: 'image/png'})})])",
        list(png),
    )
    page.keyboard.press("Control+V")
