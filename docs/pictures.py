"""Take the pictures of the README: TensorBoard's pages about a real run, in headless Chromium.

Run: python docs/pictures.py, which trains on the demo weights, needs Chromium (Debian: `apt-get install chromium`) and
writes docs/pictures/*.png.
"""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image

FOLDER = Path(__file__).with_name("pictures")
RUN = ["data.limit={train: 320, validation: 100, test: 50}", "task.max_length=64", "run.log_every=2",
       "trainer.val_check_interval=5", "board.every=2", "optim.lr=0.02"]  # fmt: skip
"""How the run that is shown differs from configs/quickstart.yaml: shorter, with more validations."""
PAGES = {"board-pictures": ("#images", (1500, 680)), "board-mistakes": ("#text", (1400, 740))}
"""Picture -> the page of TensorBoard that it shows, and its size in pixels."""
MENUS = 362  # pixels of the menus at the left, which are no part of the pictures


def browser() -> str | None:
    """Find Chromium; None: it is not installed."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def tensorboard(folder: Path) -> Iterator[str]:
    """Serve a folder of runs in TensorBoard, which is ended with the block; the address of its page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", str(port)]
    server = subprocess.Popen([*line, "--load_fast=false"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://localhost:{port}/"
    try:
        wait_for(server, f"{address}data/runs")
        yield address
    finally:
        server.terminate()
        server.wait()


def wait_for(server: subprocess.Popen, address: str, seconds: float = 120) -> None:
    """Wait until the server has read a run."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(address, timeout=10) as answer:
            if answer.read().strip() not in (b"", b"[]"):
                return
        time.sleep(0.5)
    raise TimeoutError(f"{address} did not answer with a run")


def screenshot(address: str, path: Path, *more: str, size: tuple[int, int] = (1400, 860)) -> Image.Image:
    """Open a page in headless Chromium, with more options, and take a picture of it.

    Raises:
        RuntimeError: Chromium is not installed, or took none.
    """
    if (chromium := browser()) is None:
        raise RuntimeError("Chromium is not installed (Debian: apt-get install chromium)")
    options = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-background-networking"
    wide, tall = size
    with tempfile.TemporaryDirectory() as profile:
        line = [chromium, *options.split(), "--hide-scrollbars", "--virtual-time-budget=20000"]
        line += [f"--user-data-dir={profile}", f"--window-size={wide},{tall}", f"--screenshot={path}", *more, address]
        done = subprocess.run(line, capture_output=True, text=True, timeout=180)
    if not path.is_file():
        raise RuntimeError(f"Chromium took no picture: {done.stderr[-500:]}")
    return Image.open(path).convert("RGB")


def main() -> None:
    """Train, serve, and take the pictures."""
    from ptv2 import fit

    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        fit("configs/quickstart.yaml", [*RUN, f"run.folder={folder}", "run.name=bbc-topics"])
        with tensorboard(Path(folder)) as address:
            for name, (page, size) in PAGES.items():
                path = FOLDER / f"{name}.png"
                shown = screenshot(address + page, path, size=size).crop((MENUS, 0, *size))
                shown.quantize(128).save(path, optimize=True)
                print(f"{path} {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
