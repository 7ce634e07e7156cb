"""Which sites of the backbone get a prompt, and how many positions each."""

from dataclasses import dataclass

from ptv2.backbone import Site
from ptv2.config.keys import WIDTH
from ptv2.config.schema import PromptConfig
from ptv2.errors import UserError, nearest


@dataclass
class Slot:
    """A prompted site: its index among the backbone's sites and how many positions it gets."""

    index: int
    site: Site
    length: int


def choose_slots(config: PromptConfig, sites: list[Site]) -> list[Slot]:
    """Choose the prompted sites, from `prompt.layers` and `prompt.length`.

    Raises:
        UserError: a layer or place out of range, lengths that do not fit the layers.
    """
    depths: dict[str, int] = {}  # encoder, decoder and cross attention count their layers apart
    for site in sites:
        depths[site.place] = site.layer + 1
    layers = {place: config.chosen_layers.of(depth) for place, depth in depths.items()}
    chosen = [i for i, site in enumerate(sites) if site.layer in layers[site.place]]
    if isinstance(config.length, dict):
        for place in config.length:
            if place not in depths:
                raise UserError(
                    f"no place '{place}' in this backbone", where="prompt.length", do=nearest(place, depths)
                )
        chosen = [i for i in chosen if config.length.get(sites[i].place, 0)]
        lengths = [config.length[sites[i].place] for i in chosen]
        if not chosen:
            raise UserError("no place gets a prompt", where="prompt.length", do="give one a length above 0")
    else:
        lengths = config.length if isinstance(config.length, list) else [config.length] * len(chosen)
    if isinstance(config.length, list) and isinstance(config.layers, list) and config.layers != sorted(config.layers):
        what = f"'{config.layers}' is not in ascending order, and prompt.length has one length per layer"
        raise UserError(what, where="prompt.layers", do="list the lowest layer first")
    if len(lengths) != len(chosen):
        raise UserError(
            f"{len(lengths)} lengths for {len(chosen)} prompted layers", where="prompt.length", do="give one per layer"
        )
    for length in lengths:
        if not isinstance(length, int) or isinstance(length, bool) or not WIDTH.holds(length):
            do = "use whole numbers, from 1 to 65,536"
            raise UserError(f"'{length}' is not a length", where="prompt.length", do=do)
    return [Slot(i, sites[i], length) for i, length in zip(chosen, lengths, strict=True)]
