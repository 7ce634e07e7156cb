"""What a run chooses for itself before it begins, and keeps when it is resumed."""

from pathlib import Path

from ptv2.config.auto import with_values
from ptv2.config.load import KEYS
from ptv2.config.merge import read_mapping
from ptv2.config.schema import Config
from ptv2.errors import Joint
from ptv2.model.auto import as_before, choices, shown, with_dtype
from ptv2.runtime.ranks import gather
from ptv2.train.folder import RunFolder


def settled(config: Config) -> tuple[Config, list[str]]:
    """Put values in the place of all keys that are `auto`: those of the run that its folder holds, or chosen now.

    Returns:
        The config, and lines that say what was chosen and why.

    Raises:
        UserError: rows, backbone or artifact cannot be read.
    """
    folder = RunFolder(config)
    if not folder.afresh:
        config = as_before(config, folder.held())
    made = choices(config)
    lines = shown(config, made) if made else []
    config = with_values(config, [(choice.key, choice.value) for choice in made])
    config, why = with_dtype(config, begun_dtype(config, folder))
    return config, [*lines, *why]


def begun_dtype(config: Config, folder: RunFolder) -> str | None:
    """Return the backbone's dtype in the run that is resumed: the folder's own, or that which `resume` names."""
    held = [] if config.run.overwrite else [folder.path]
    if config.resume not in ("auto", "never"):  # a run, its checkpoints, or one of these
        path = Path(config.resume)
        held += [path, path.parent, path.parent.parent]
    for file in (path / "config.yaml" for path in held):
        backbone = read_mapping(file, "a run's config", KEYS).get("backbone") if file.is_file() else None
        if isinstance(backbone, dict) and backbone.get("dtype") in ("float32", "bfloat16"):
            return backbone["dtype"]
    return None


def check_dtype(config: Config) -> None:
    """Refuse ranks whose machines made different choices.

    Raises:
        UserError: on all ranks, `backbone.dtype: auto` is not the same for all.
    """
    if len(chosen := set(gather(config.backbone.dtype))) > 1:
        what = f"auto is {' here and '.join(sorted(chosen))} there: the ranks' machines differ"
        raise Joint(what, where="backbone.dtype", do="name one of them")
