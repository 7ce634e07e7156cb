"""The interface of a method: which parameters train beside the heads, and what the backbone is given."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from torch import Tensor, nn

from ptv2.artifact.artifact import Artifact
from ptv2.backbone import Backbone, Injection
from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.methods.rates import Rate

Artifacts = Mapping[str, Artifact]
"""The artifacts that a config names, by path: each is read once per run."""


class Method(nn.Module):
    """A method that trains nothing and gives the backbone nothing: the base of all others, and `method: head` itself.

    Parameters of its own are registered as usual. A method that trains weights of the backbone sets their
    `requires_grad` in its constructor and names them in `trained`.

    Args:
        config: of the run.
        backbone: frozen.
        artifacts: those that `prompt.init` and `head.init` name.
    """

    rate: Rate | None = None  # what `optim.lr: auto` stands for; None: the official rate stays
    at_the_input = False  # its prompt stands in front of the embeddings, or among them, and in no layer
    has_prompts = False  # prompt.init, prompt.sharing and retrieval apply
    takes_forms = False  # its prompt may have any form, and prompt.form: auto may choose another than the official one
    folded_into = ""  # the method whose prompt an artifact holds of it, where that is another one
    trains_backbone = False  # its artifacts need another backbone than the one they name
    trains_all = False  # every weight trains, and with optim.head_lr: auto the heads at the rate of the others
    shardable = True  # the frozen layers can be sharded over the ranks
    words = ""  # what it trains beside the heads, in words; nothing for the heads alone
    in_layers = ""  # what it puts into layers that no plain weights hold, as in "layers of its own"
    alone = ""  # why it cannot be trained together with other methods, as in "trains every weight"
    takes_template = False  # its vectors can stand at virtual tokens of a text
    cacheable = False  # it acts at the sites it prompts and above alone: states that enter the lowest stay the same
    copies = 1  # how often the backbone reads each batch in one pass, each time with another prompt (an ensemble)

    def __init__(self, config: Config, backbone: Backbone, artifacts: Artifacts | None = None):
        super().__init__()

    @classmethod
    def check(cls, config: Config) -> None:
        """Refuse a config that the method cannot run.

        Raises:
            UserError: a key that does not suit the method. The base class refuses an earlier prompt as the start of a
                method without one, and weights that train in half precision or quantised.
        """
        if not cls.has_prompts and config.prompt.start.earlier:
            raise UserError(f"method '{config.method_name}' has no prompt", where="prompt.init", do="use method=deep")
        if cls.trains_backbone:
            check_trainable(config)
        if not cls.takes_template and any(card.options.get("template") for card in config.tasks.values()):
            what = f"method '{config.method_name}' has nothing to put at the places of a template"
            raise UserError(what, where="ptuning.template", do="set it to null, or use method=ptuning")

    @classmethod
    def rate_for(cls, forms: Sequence[str], answers: Set[str] = frozenset(), rows: int | None = None) -> Rate | None:
        """Return its rate for prompts of these forms, on tasks with these `Features.answers` and training rows."""
        return cls.rate

    @classmethod
    def tunes_backbone(cls, config: Mapping[str, Any]) -> bool:
        """Tell whether a run with this plain config trained weights of the backbone."""
        return cls.trains_backbone

    def learn_labels(self, names: Mapping[str, Sequence[str]]) -> None:
        """Take the label names of each task, before training and before a checkpoint or an artifact is loaded."""
        return

    def forward(self, batch: int, task: int | Tensor = 0) -> Injection:
        """Return what the backbone's sites get for a batch.

        Args:
            batch: number of data rows in it.
            task: number of the task of all of them, or of each, [B].
        """
        return Injection()

    @property
    def prompted(self) -> "Method | None":
        """The method to which prompt.init, prompt.sharing and retrieval apply: itself, or one of a union."""
        return self if self.has_prompts else None

    def trained(self) -> list[nn.Parameter]:
        """List the parameters that the optimizer updates."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def shared(self) -> list[nn.Parameter]:
        """List the parameters that all tasks train together: the cosines between tasks' gradients are taken on them."""
        return []

    def positions(self) -> int:
        """Count the positions that it takes from the backbone's position table."""
        return 0

    def read_outside(self) -> set[nn.Parameter]:
        """Name the backbone's weights that are read outside of their layer's forward pass: they are not sharded."""
        return set()

    def exported(self) -> dict[str, Tensor]:
        """Return the state dict that an artifact holds, with what only training needs computed away."""
        return {name: tensor.detach() for name, tensor in self.state_dict().items()}

    def exported_config(self, plain: dict[str, Any]) -> dict[str, Any]:
        """Return the run's config as an artifact holds it: the one that reads what `exported` gives."""
        return plain

    def shapes(self) -> list[tuple[str, str]]:
        """Describe what the backbone gets, as (name, shape) for a dry run."""
        return []


def check_trainable(config: Config) -> None:
    """Refuse to train a backbone in half precision, or a quantised one.

    Raises:
        UserError: its weights are not float32.
    """
    what = f"method '{config.method_name}' trains the backbone"
    if config.backbone.quantize:
        do = "use null, or a method that leaves it frozen"
        raise UserError(f"{what}, and quantised weights cannot be trained", where="backbone.quantize", do=do)
    if config.backbone.dtype not in ("float32", "auto"):  # auto is float32 where the backbone trains
        do = "use backbone.dtype=float32 (and trainer.precision=bf16-mixed for speed)"
        raise UserError(f"{what}, which is {config.backbone.dtype}", where="backbone.dtype", do=do)
