"""From a folder to a service: the first artifact that can be served gives the backbone, the others share it."""

from collections.abc import Sequence

from ptv2.errors import UserError
from ptv2.service.folder import ArtifactFolder
from ptv2.service.limits import Limits
from ptv2.service.refused import Refused
from ptv2.service.residents import Residents, check_serves
from ptv2.service.service import Service


def start(
    folder: ArtifactFolder,
    limits: Limits,
    *,
    overrides: Sequence[str] = (),
    imports: Sequence[str] = (),
    device: str = "cpu",
    allow_other_precision: bool = False,
) -> tuple[Service, list[str]]:
    """Load every artifact of a folder; return the service and why some are left out.

    Args:
        folder: of artifacts.
        limits: of requests.
        overrides: of keys in every artifact's config, as `key=value`.
        imports: Python files that artifacts need.
        device: that the backbone computes on.
        allow_other_precision: take a backbone saved in another precision.

    Raises:
        UserError: no artifact can be served.
    """
    left_out: list[str] = []
    service: Service | None = None
    for name in folder.names():
        try:
            if service is None:
                artifact, _ = folder.read(name)
                check_serves(artifact)
                settings = {"imports": imports, "device": device, "allow_other_precision": allow_other_precision}
                service = Service(folder, Residents(artifact, overrides, hot=limits.hot, **settings), limits)
            service.held[name] = service.resident(name)
        except (UserError, Refused) as error:
            left_out.append(str(error))
    if service is None or not service.held:
        what = f"no artifact here can be served ({left_out[0]})" if left_out else "holds no artifact"
        raise UserError(what, where=folder.root, do="give --artifacts a folder of run folders or artifacts")
    return service, left_out
