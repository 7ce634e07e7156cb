"""`prompt.layers` and `prompt.length`: which layers get a prompt and how long; below the lowest, no graph at all."""

import pytest
import torch
from families import DEPTH, FAMILIES, WIDTH, make_backbone, make_batch, make_prompt, real
from torch import Tensor

from ptv2.backbone import Backbone
from ptv2.errors import UserError

CHOICES = {
    "all": [0, 1, 2],
    "top:1": [2],
    "top:2": [1, 2],
    "bottom:1": [0],
    "bottom:2": [0, 1],
    "[1]": [1],
    "[2, 0]": [0, 2],
}


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("family", ["bert", "albert"])
def test_the_chosen_layers_get_a_prompt(family, choice):
    layers = [int(n) for n in choice.strip("[]").split(",")] if choice.startswith("[") else choice
    prompts = make_prompt(make_backbone(family), layers=layers)(3).sites
    assert [i for i, prompt in enumerate(prompts) if prompt is not None] == CHOICES[choice]


def test_layers_count_in_the_order_of_execution():
    """ALBERT's two groups of two layers, each run twice: eight layers, of which 6 and 7 have the weights of 4 and 5."""
    backbone = make_backbone("albert-groups")
    prompts = make_prompt(backbone, layers="top:2")(1).sites
    assert [i for i, prompt in enumerate(prompts) if prompt is not None] == [6, 7]
    keys = [id(site.module.key.weight) for site in backbone.sites]
    assert [keys.index(key) for key in keys] == [0, 1, 0, 1, 4, 5, 4, 5]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_length_per_layer(family):
    backbone, batch = make_backbone(family), make_batch(family)
    lengths = [2 + i for i in range(DEPTH[family])]
    prompt = make_prompt(backbone, length=lengths)
    assert [p.key_BGPD.shape[2] for p in prompt(3).sites] == lengths
    assert [row.shape for row in prompt.rows.rows] == [(length, 2 * WIDTH) for length in lengths]
    assert prompt.max_length == max(lengths)
    real(backbone(batch, prompt(3)).last_BTD, batch).pow(3).mean().backward()
    assert all(row.grad.abs().amax(dim=1).min() > 0 for row in prompt.rows.rows)  # every position is seen


def watch(backbone: Backbone) -> list[Tensor]:
    """The states that enter the attention of each layer, filled in as a forward pass goes."""
    entered: list[Tensor] = []
    for site in backbone.sites:
        site.module.register_forward_pre_hook(
            lambda _m, args, kwargs: entered.append(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
        )
    return entered


@pytest.mark.parametrize("form", ["kv", "hidden"])
@pytest.mark.parametrize(("family", "checkpointing"), [(name, again) for again in (False, True) for name in FAMILIES])
def test_below_the_lowest_prompt_there_is_no_graph(family, checkpointing, form):
    """In train mode: the first states that carry a graph are those behind the lowest prompted layer."""
    backbone, batch = make_backbone(family).train(), make_batch(family)
    if checkpointing:
        backbone.enable_gradient_checkpointing()
    lowest = DEPTH[family] - 2
    prompt = make_prompt(backbone, layers="top:2", form=form).train()
    prompt(3)  # the hidden form looks at the bare backbone once
    entered = watch(backbone)

    last = backbone(batch, prompt(3)).last_BTD

    assert last.requires_grad
    assert [states.requires_grad for states in entered] == [i > lowest for i in range(DEPTH[family])]


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_is_kept_for_a_backward_pass_below(family):
    """What autograd saves with prompts in the last layer alone is a fraction of what it saves with all."""
    backbone, batch = make_backbone(family).train(), make_batch(family)
    saved = {}
    for layers in ("all", "top:1"):
        count, prompt = [0], make_prompt(backbone, layers=layers)

        def note(tensor, count=count):
            count[0] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            backbone(batch, prompt(3))
        saved[layers] = count[0]
    assert saved["top:1"] < saved["all"] * 1.5 / DEPTH[family]


@pytest.mark.parametrize("layers", ["top:0", "top:x", "middle:1", [-1], [], ["0"], 2])
def test_what_names_no_layers_of_any_backbone_is_refused(layers):
    with pytest.raises(UserError, match=r"prompt\.layers: .* does not name layers; use all, top:K"):
        make_prompt(make_backbone("bert"), layers=layers)


@pytest.mark.parametrize("layers", ["top:4", [3]])
def test_layers_that_are_not_there_are_refused(layers):
    with pytest.raises(UserError, match=r"prompt\.layers: .* backbone with 3 layers; use all, top:K"):
        make_prompt(make_backbone("bert"), layers=layers)


@pytest.mark.parametrize("length", [[4, 4], [4, 4, 4, 4], 0, -1, True, "4", [4, 0, 4], 2.5])
def test_lengths_that_do_not_fit_are_refused(length):
    with pytest.raises(UserError, match=r"prompt\.length: "):
        make_prompt(make_backbone("bert"), length=length)
