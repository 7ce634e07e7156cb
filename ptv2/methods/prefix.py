"""Method `prefix`: keys and values in every layer, made by a projection that is dropped after training.

Prefix-Tuning (Li & Liang 2021, section 4): the prefix of every layer comes out of an MLP on a smaller matrix (section
4.3), which is folded away on export, so that the artifact is that of a `kv` prompt of method `deep`. An
encoder-decoder's encoder, decoder and cross attention are prompted unless `prompt.length` says otherwise; one
projection serves them all (the authors' code, as recalled and not read for this, trains one for each). A prefix may
start from the keys and values of words (section 7.4), exactly: the authors' code, as recalled, fits its MLP to them.
"""

from collections.abc import Sequence, Set
from dataclasses import replace
from typing import Any

from ptv2.backbone import Backbone
from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.methods.base import Artifacts
from ptv2.methods.deep.prompt import PROJECTED, DeepPrompt
from ptv2.methods.rates import Rate, studied

HIDDEN = 512
"""Width of the projection: that of the official P-Tuning v2 code."""


class Prefix(DeepPrompt):
    """A deep prompt of keys and values behind a projection, of width `prompt.projection` or 512.

    Args:
        config: as for `DeepPrompt`.
        backbone: frozen.
        artifacts: unused: no artifact holds what the projection reads.
    """

    rate = studied(0.003, 3e-3, 3e-3, "conll2004 | prefix | span_f1 | 0.668 ± 0.005")
    takes_forms = False
    folded_into = "deep"
    alone = f"is folded into a prompt of method {folded_into}"

    def __init__(self, config: Config, backbone: Backbone, artifacts: Artifacts | None = None):
        super().__init__(self._projected(config), backbone, artifacts)

    @classmethod
    def rate_for(cls, forms: Sequence[str], answers: Set[str] = frozenset(), rows: int | None = None) -> Rate | None:
        return cls.rate

    @staticmethod
    def _projected(config: Config) -> Config:
        return replace(config, prompt=replace(config.prompt, projection=config.prompt.projection or HIDDEN))

    @classmethod
    def check(cls, config: Config) -> None:
        prompt = config.prompt
        if prompt.forms != ("kv",):
            what = f"method 'prefix' learns keys and values, and the form is {', '.join(prompt.forms)}"
            raise UserError(what, where="prompt.form", do="use kv, or method=deep")
        if prompt.start.kind not in PROJECTED:
            what = f"init '{prompt.init}' cannot be put through the projection of method 'prefix'"
            do = "use normal, text:<words> or vocab, or method=deep, which has none"
            raise UserError(what, where="prompt.init", do=do)
        super().check(cls._projected(config))

    def exported_config(self, plain: dict[str, Any]) -> dict[str, Any]:
        return plain | {"method": self.folded_into}
