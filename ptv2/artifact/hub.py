"""Artifacts on the hub: `hub:ORG/NAME`, or `hub:ORG/NAME@REVISION`."""

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from ptv2.errors import Unreachable, UserError
from ptv2.runtime.network import hub_answers

PREFIX = "hub:"
FILES = ("artifact.json", "weights.safetensors", "README.md", "config.yaml")


def is_on_hub(path: str | Path) -> bool:
    """Tell whether the place of an artifact is a repository on the hub."""
    return str(path).startswith(PREFIX)


def fetched(place: str) -> Path:
    """Fetch an artifact from the hub, unless it is in the cache, and return its folder.

    Raises:
        UserError: no such repository or revision, or none that may be read.
        Unreachable: the hub does not answer, and it is not in the cache.
    """
    name, _, revision = place.removeprefix(PREFIX).partition("@")
    reachable = hub_answers()
    try:
        folder = Path(snapshot_download(name, revision=revision or None, allow_patterns=list(FILES)))
    except HFValidationError as error:
        raise UserError("is no repository's name", where=place, do="write hub:ORG/NAME") from error
    except RevisionNotFoundError as error:
        raise UserError(f"has no revision '{revision}'", where=place, do="name a branch, a tag or a commit") from error
    except RepositoryNotFoundError as error:
        do = "check the name; a private one needs a token (hf auth login, or HF_TOKEN)"
        raise UserError("no such repository on the hub that you may read", where=place, do=do) from error
    except LocalEntryNotFoundError as error:
        why = "HF_HUB_OFFLINE is set" if reachable else "the hub does not answer"
        raise Unreachable(
            f"{why}, and it is not in the cache", where=place, do="load it once with a network"
        ) from error
    except Exception as error:  # the client's own, of which each version has others
        raise Unreachable(
            f"the hub answers with an error ({first_line(error)})", where=place, do="try later"
        ) from error
    if not (folder / FILES[0]).is_file():
        raise UserError("holds no artifact (artifact.json is missing)", where=place, do="name what --push made")
    return folder


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
