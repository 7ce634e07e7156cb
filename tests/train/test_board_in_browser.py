"""TensorBoard's pages about a run, opened in headless Chromium: each shows what it is there for."""

import numpy as np
import pytest
from pictures import browser, screenshot, tensorboard
from scene import make_config, write_cards
from torch.utils.tensorboard import SummaryWriter

from ptv2.config.load import load_config
from ptv2.train.fit import fit

pytestmark = [pytest.mark.slow, pytest.mark.skipif(browser() is None, reason="Chromium is not installed")]

CURVE = [(255, 112, 67)]  # of the first run
MAP = [(8, 64, 129), (123, 178, 217)]  # of our heat maps
POINT = [(116, 118, 214)]  # of the projector
INK = [(33, 33, 33)]
SLATE = [(66, 80, 102), (38, 52, 69)]  # curves of the time series, letters of the hparams table
PAGES = {
    "timeseries": (SLATE, 300, ["--disable-3d-apis"]),
    "scalars": (CURVE, 300, []),
    "custom_scalars": (CURVE, 300, []),
    "images": (MAP, 1000, []),
    "text": (INK, 3000, []),
    "pr_curves": (CURVE, 300, []),
    "hparams": (SLATE, 300, []),
    "projector": (POINT, 200, []),
}
"""Page -> the colours that its content has, the least number of such pixels, and options of the browser."""


def near(pixels, colours):
    """Count the pixels beside the menus that are of one of the colours, or nearly so."""
    inside = pixels[70:, 330:].astype(int)
    return sum(int((np.abs(inside - colour).max(-1) < 24).sum()) for colour in colours)


@pytest.fixture(scope="module")
def served(tmp_path_factory, tiny_bert):
    folder = tmp_path_factory.mktemp("run")
    cards = write_cards(tmp_path_factory.mktemp("cards"))
    fit(load_config(make_config(folder, tiny_bert, cards["topics"]), ["trainer.max_epochs=3", "board.every=1"]))
    with tensorboard(folder / "runs") as address:
        yield address


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """TensorBoard about a run that has logged one number."""
    folder = tmp_path_factory.mktemp("empty")
    with SummaryWriter(folder / "run") as writer:
        writer.add_scalar("a", 1.0, 0)
    with tensorboard(folder) as address:
        yield address


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_the_run(page, served, tmp_path):
    colours, least, options = PAGES[page]
    pixels = np.asarray(screenshot(f"{served}#{page}", tmp_path / "page.png", *options))
    assert near(pixels, colours) >= least


@pytest.mark.parametrize("page", ["images", "pr_curves", "projector"])
def test_a_page_without_content_would_be_noticed(page, empty, tmp_path):
    colours, least, options = PAGES[page]
    pixels = np.asarray(screenshot(f"{empty}#{page}", tmp_path / "page.png", *options))
    assert near(pixels, colours) < least
