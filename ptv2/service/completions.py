"""`POST /v1/completions`: generating artifacts for clients of OpenAI's interface. The model is the artifact's name."""

import time
import uuid
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict

from ptv2.errors import nearest
from ptv2.kinds.seq2seq import Seq2SeqFeatures
from ptv2.kinds.templates import names_of
from ptv2.service.jobs import Job
from ptv2.service.refused import Refused
from ptv2.service.residents import Joined
from ptv2.service.service import Question

ONLY: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "stream": (False,),
    "echo": (False,),
    "logprobs": (),
    "suffix": ("",),
    "stop": ([],),
    "temperature": (0, 1),  # what the card's `options.generation` says is done
    "top_p": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
}
"""Fields of the interface that the card decides, and the values that change nothing."""


class CompletionRequest(BaseModel):
    """What is used of a request."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: str
    prompt: str | list[str]
    max_tokens: int | None = None
    seed: int | None = None  # nothing is drawn, or it is drawn as the card says
    user: str | None = None


def question_of(asked: CompletionRequest) -> Question:
    """Make of source texts the rows of the artifact's only task.

    Raises:
        Refused: a field that asks for what only a card decides.
    """
    for name, value in (asked.model_extra or {}).items():
        if name not in ONLY:
            raise Refused(
                422, "unknown_field", f"no field '{name}'; {nearest(name, [*ONLY, *CompletionRequest.model_fields])}"
            )
        if value is not None and value not in ONLY[name]:
            raise Refused(422, "unsupported", f"'{name}' is decided by the artifact's card; leave it out")
    texts = [asked.prompt] if isinstance(asked.prompt, str) else asked.prompt
    return Question(asked.model, texts, prepare=partial(_rows, asked, texts))


def _rows(asked: CompletionRequest, texts: list[str], joined: Joined) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Return the texts as rows, and the settings of `generate` that the request changes."""
    features = next(iter(joined.data.values())).features
    if len(joined.data) > 1 or not isinstance(features, Seq2SeqFeatures):
        raise Refused(422, "not_generating", f"artifact '{joined.name}' generates no text; use /v1/predict")
    names = names_of(features.card.inputs["source"])
    if len(names) != 1 or "." in names[0]:
        what = f"the source of artifact '{joined.name}' reads the fields {', '.join(names)}; use /v1/predict"
        raise Refused(422, "several_fields", what)
    most = features.generation()["max_new_tokens"]
    if asked.max_tokens is not None and not 1 <= asked.max_tokens <= most:
        raise Refused(422, "too_many_tokens", f"max_tokens is {asked.max_tokens}, the artifact writes 1 to {most}")
    settings = {} if asked.max_tokens is None else {"max_new_tokens": asked.max_tokens}
    return [{names[0]: text} for text in texts], settings


def completion(asked: CompletionRequest, job: Job) -> dict[str, Any]:
    """Make the answer in the form of the interface."""
    (outputs,) = job.outputs.values()
    written = [outputs[row][0] for row in sorted(outputs)]
    choices = [
        {"index": i, "text": one["text"], "logprobs": None, "finish_reason": "stop" if one["ended"] else "length"}
        for i, one in enumerate(written)
    ]
    tokens = sum(one["written"] for one in written)
    return {
        "id": f"cmpl-{uuid.uuid4().hex}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": asked.model,
        "choices": choices,
        "usage": {
            "prompt_tokens": job.tokens,
            "completion_tokens": tokens,
            "total_tokens": job.tokens + tokens,
        },
    }
