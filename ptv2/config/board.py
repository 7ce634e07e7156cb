"""The keys of the board, what TensorBoard shows beside curves: part of the schema."""

from dataclasses import dataclass, field

from ptv2.config.keys import POSITIVE, number
from ptv2.errors import UserError, nearest

VIEWS = {
    "layers": "curves of each layer's prompt: norm, distance from its start, gradient norm, gate",
    "attention": "share of each attention head that goes to the prompt",
    "answers": "confusion matrix, precision and recall, reliability",
    "mistakes": "wrong answers as text, the surest first",
    "samples": "generated texts",
    "prompts": "prompt vectors in the projector, with the words nearest to them",
    "similarity": "how alike the tasks of a mixture are",
}
"""The values of `board.views`."""
LOGGERS = ("tensorboard", "jsonl", "csv", "wandb", "mlflow", "trackio")
"""The values of `run.loggers`."""


@dataclass
class BoardConfig:
    """What TensorBoard shows beside the curves; nothing of it changes the training."""

    # layers | attention | answers | mistakes | samples | prompts | similarity
    views: list[str] = field(default_factory=lambda: list(VIEWS))
    # validations between two drawings of pictures and texts; the first and the last are always drawn
    every: int = number(5, POSITIVE)
    rows: int = number(8, POSITIVE)  # validation rows of each task that attention is measured on

    def check(self) -> None:
        """Refuse a view that there is none of.

        Raises:
            UserError: names it.
        """
        check_words("board.views", self.views, VIEWS)


def check_words(key: str, given: list[str], valid: "dict[str, str] | tuple[str, ...]") -> None:
    """Refuse a list with an unknown word, or with one twice.

    Raises:
        UserError: names it.
    """
    for word in given:
        if word not in valid:
            raise UserError(f"'{key}' holds '{word}'", do=nearest(word, list(valid)))
        if given.count(word) > 1:
            raise UserError(f"'{key}' holds '{word}' twice", do="name it once")
