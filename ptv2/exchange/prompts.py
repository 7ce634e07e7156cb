"""Deep prompts out of artifacts, joined to a backbone without data and heads."""

from dataclasses import dataclass
from typing import cast

from ptv2.artifact.artifact import Artifact
from ptv2.backbone import Backbone
from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.methods import method_of
from ptv2.methods.deep.prompt import DeepPrompt


@dataclass
class Named:
    """A task's prompt: the method that makes it, and the number of the task."""

    artifact: Artifact
    method: DeepPrompt
    task_name: str
    task: int

    @property
    def shift(self) -> int:
        """Position of the first real token."""
        return self.method.positions()


def prompt_class(artifact: Artifact, config: Config) -> type[DeepPrompt]:
    """Return the class of an artifact's prompt.

    Raises:
        UserError: it holds none in the layers of its backbone, or something besides.
    """
    kind = method_of(config)
    if not issubclass(kind, DeepPrompt):
        what = f"holds method '{config.method_name}', which has no prompt in attention alone"
        raise UserError(what, where=artifact.path, do="use ptv2.load, or an artifact of method deep or prefix")
    return cast(type[DeepPrompt], kind)


def deep_prompt(artifact: Artifact, config: Config, backbone: Backbone) -> DeepPrompt:
    """Make the prompt that an artifact holds, in eval mode.

    Raises:
        UserError: it holds none in the layers of its backbone, or one that does not fit.
    """
    method = prompt_class(artifact, config)(config, backbone)
    state, own = artifact.state("prompt."), method.state_dict()
    if {name: tensor.shape for name, tensor in state.items()} != {name: tensor.shape for name, tensor in own.items()}:
        raise UserError("has a prompt of another size than this model takes", where=artifact.path, do="copy it again")
    method.load_state_dict(state)
    return method.eval().requires_grad_(True)


def named_prompts(name: str, artifact: Artifact, config: Config, backbone: Backbone) -> dict[str, Named]:
    """Name the prompts of an artifact: after its tasks without a name, else by it, one for tasks that share theirs."""
    method = deep_prompt(artifact, config, backbone)
    named = {task: Named(artifact, method, task, number) for number, task in enumerate(artifact.tasks)}
    if not name:
        return named
    if artifact.sharing == "shared" or len(named) == 1:
        return {name: next(iter(named.values()))}
    return {f"{name}/{task}": prompt for task, prompt in named.items()}
