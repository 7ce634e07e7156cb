"""BitFit: the biases of the backbone train, all of them or those of layers that do one thing.

Ben Zaken et al. 2022 (arXiv 2106.10199), who find that the biases of the queries and of the second linear layer of the
feed-forward network alone come close to all of them: `bitfit.biases: [query, second]`. The bias of the keys
adds one number to all scores of a query, so the softmax does not see it, unless a prompt brings keys without it.
"""

from torch import nn

from ptv2.backbone import Backbone
from ptv2.backbone.linear_layers import by_role
from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.methods.base import Artifacts, Method
from ptv2.methods.rates import studied

POOLER = "pooler."


class BitFit(Method):
    """`method: bitfit`.

    Raises:
        UserError: a backbone without biases, or without those of a subset.
    """

    rate = studied(0.01, 3e-3, 1e-2, "trec | bitfit | accuracy | 0.935 ± 0.008")
    trains_backbone = True
    words = "the biases"
    shardable = False

    def __init__(self, config: Config, backbone: Backbone, artifacts: Artifacts | None = None):
        super().__init__(config, backbone, artifacts)
        self._biases = chosen(config, backbone)  # a list: they are the backbone's parameters
        for bias in self._biases:
            bias.requires_grad_(True)

    def trained(self) -> list[nn.Parameter]:
        return self._biases


def chosen(config: Config, backbone: Backbone) -> list[nn.Parameter]:
    """List the biases that `bitfit.biases` means.

    The pooler's is one of them where the heads read it; otherwise nothing depends on it.

    Raises:
        UserError: there are none.
    """
    model, family = backbone.model, backbone.model.config.model_type
    read = config.head.pooling == "pooler"
    biases = {
        name: bias
        for name, bias in model.named_parameters()
        if name.rpartition(".")[2].endswith("bias") and (read or not name.startswith(POOLER))
    }
    if not biases:
        what = f"backbone family '{family}' has no biases: its linear layers and norms do without"
        raise UserError(what, where="method", do="use another method than bitfit")
    if config.bitfit.chosen == ("all",):
        return list(biases.values())
    layers = {role: list(of_role) for role, of_role in by_role(model, backbone.sites).items()}
    layers["layernorm"] = [name for name, module in model.named_modules() if isinstance(module, nn.LayerNorm)]
    held = {role: [biases.get(f"{name}.bias") for name in names] for role, names in layers.items()}
    subsets = {role: [bias for bias in of_role if bias is not None] for role, of_role in held.items()}
    for subset in config.bitfit.chosen:
        if not subsets[subset]:
            what = f"backbone family '{family}' has no biases of '{subset}'"
            if subset in ("query", "key", "value") and layers["query_key_value"]:
                what += " alone: one layer makes queries, keys and values"
            there = [name for name, found in subsets.items() if found and name != "query_key_value"]
            raise UserError(what, where="bitfit.biases", do=f"use all, or some of {', '.join(there)}")
    return [bias for subset in config.bitfit.chosen for bias in subsets[subset]]
