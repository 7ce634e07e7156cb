"""`ptv2.push`: an artifact as a repository of the hub, with its page as the model card."""

import re
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, constants, get_token
from huggingface_hub.errors import HfHubHTTPError

from ptv2.artifact.artifact import Artifact
from ptv2.artifact.card import mentioned, readable_card
from ptv2.artifact.files import read_artifact
from ptv2.artifact.hub import PREFIX, first_line
from ptv2.errors import Unreachable, UserError
from ptv2.runtime.network import hub_answers

CONFIG = "config.yaml"


def push(artifact: str | Path, name: str, *, licence: str | None = None, private: bool = False) -> str:
    """Put an artifact on the hub, in one commit, and return its address; `ptv2.load("hub:ORG/NAME")` reads it.

    Args:
        artifact: a run folder, whose config goes along, or its `prompt/` folder.
        name: ORG/NAME; the repository is made if it is not there.
        licence: the hub's name of it, such as apache-2.0.
        private: make a repository that only its owners see.

    Raises:
        UserError: no artifact there, no token, or one that may not write.
        Unreachable: the hub does not answer.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise UserError(f"'{name}' is no repository's name", where="push", do="write ORG/NAME")
    made = read_artifact(artifact)
    token = get_token()
    if token is None:
        raise UserError("there is no token for the hub", where="push", do="log in (hf auth login), or set HF_TOKEN")
    if constants.HF_HUB_OFFLINE or not hub_answers():
        raise Unreachable("the hub is not reachable", where="push", do="check the network and HF_HUB_OFFLINE")
    config = made.path.parent / CONFIG if made.path.name == "prompt" else made.path / CONFIG
    files = {file: made.path / file for file in ("artifact.json", "weights.safetensors")}
    files |= {CONFIG: config} if config.is_file() else {}
    api, own_config = HfApi(endpoint=constants.ENDPOINT, token=token), CONFIG if CONFIG in files else None
    try:
        absent = _absent(api, made)
        page = readable_card(made.about, made.weights, f"{PREFIX}{name}", licence, own_config, absent)
        added = [CommitOperationAdd(file, str(path)) for file, path in files.items()]
        added.append(CommitOperationAdd("README.md", page.encode()))
        address = api.create_repo(name, private=private, exist_ok=True)
        api.create_commit(name, added, commit_message=f"Artifact {made.config['run']['name']}")
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status in (401, 403):
            what = f"the hub refuses the token for {name}"
            raise UserError(what, where="push", do="use one that may write there") from error
        raise UserError(f"the hub refuses it ({first_line(error)})", where="push") from error
    except Exception as error:  # the client's own, of which each version has others
        raise Unreachable(f"the hub does not answer ({first_line(error)})", where="push", do="try again") from error
    return str(address)


def _absent(api: HfApi, artifact: Artifact) -> set[str]:
    """Return the names of backbone and data sets that the hub does not have: folders of the machine that trained."""
    models, data = mentioned(artifact.about)
    kinds = [(name, "model") for name in models] + [(name, "dataset") for name in data]
    return {name for name, kind in kinds if not api.repo_exists(name, repo_type=kind)}
