"""LoRA and IA3 are PEFT's with the same numbers, start as the bare backbone, and leave its weights their names."""

import pytest
import torch
from families import FAMILIES, make_backbone, make_batch, make_model, real
from peft import IA3Config as PeftIA3
from peft import LoraConfig as PeftLora
from peft import get_peft_model
from seq2seq_models import FAMILIES as LM_FAMILIES
from seq2seq_models import make_lm, make_lm_backbone, make_lm_batch
from torch import Tensor, nn

from ptv2.backbone import Backbone
from ptv2.config.schema import Config, LoraConfig
from ptv2.errors import UserError
from ptv2.methods import METHODS, method_of
from ptv2.methods.peft import Adapted, PeftMethod

pytestmark = pytest.mark.filterwarnings(  # PEFT's own call, and its word on a config that a test gives it
    "ignore:.is_gradient_checkpointing. is deprecated", "ignore:fan_in_fan_out is set to False"
)

TARGETS = {  # what the names of lora.targets are to PEFT
    "qv": ["query", "value"],
    "linear": ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"],
    "dense": ["attention.output.dense", "intermediate.dense", "output.dense"],
}
PATTERN = r"encoder\.layer\..*\.({})"  # in layers: not the pooler


def make(backbone: Backbone, method: str = "lora", stirred: bool = True, **lora) -> PeftMethod:
    """A method in eval mode; stirred, its numbers are far from the start's."""
    torch.manual_seed(1)
    made = METHODS[method](Config(method=method, lora=LoraConfig(**lora)), backbone).eval()
    if stirred:
        with torch.no_grad():
            for parameter in made.trained():
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return made


def copy_to(peft: nn.Module, method: PeftMethod) -> None:
    """Put our numbers into PEFT's model."""
    theirs = dict(peft.base_model.model.named_modules())
    held = {n: m for n, m in method.layers.named_modules() if isinstance(m, Adapted)}
    assert len(held) == sum(hasattr(m, "base_layer") for m in theirs.values())
    with torch.no_grad():
        for name, adapted in held.items():
            parts = dict(adapted.named_parameters())
            if "scale" in parts:
                theirs[name].ia3_l["default"].copy_(parts["scale"])
            else:
                theirs[name].lora_A["default"].weight.copy_(parts["A"])
                theirs[name].lora_B["default"].weight.copy_(parts["B"])


@pytest.mark.parametrize("targets", TARGETS)
def test_lora_equals_peft_with_its_gradients(targets):
    backbone, batch = make_backbone("bert"), make_batch("bert")
    method = make(backbone, targets=targets, rank=3, alpha=7)
    pattern = PATTERN.format("|".join(TARGETS[targets]))
    peft = get_peft_model(make_model("bert"), PeftLora(r=3, lora_alpha=7, target_modules=pattern)).eval()
    copy_to(peft, method)

    states, expected = backbone(batch, method(3)).last_BTD, peft(**batch).last_hidden_state
    assert torch.equal(states, expected)
    real(states, batch).pow(2).mean().backward()
    real(expected, batch).pow(2).mean().backward()
    wanted = [p.grad for p in peft.parameters() if p.requires_grad]
    assert len(wanted) == len(method.trained()) and all(p.grad is None for p in backbone.parameters())
    for parameter, gradient in zip(method.trained(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=0, rtol=0)


def test_ia3_equals_peft():
    backbone, batch = make_backbone("bert"), make_batch("bert")
    method = make(backbone, "ia3")
    second = r"encoder\.layer\.\d+\.output\.dense"
    places = {"target_modules": rf"{second}|.*\.(key|value)", "feedforward_modules": second}
    peft = get_peft_model(make_model("bert"), PeftIA3(**places)).eval()
    copy_to(peft, method)
    with torch.no_grad():
        assert torch.equal(backbone(batch, method(3)).last_BTD, peft(**batch).last_hidden_state)


@pytest.mark.parametrize("method", ["lora", "ia3"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_start_is_the_bare_backbone_to_the_bit(family, method):
    backbone, batch = make_backbone(family), make_batch(family)
    names, fingerprint = list(backbone.state_dict()), [p.clone() for p in backbone.parameters()]
    made = make(backbone, method, stirred=False, targets="linear")
    with torch.no_grad():
        states = backbone(batch, made(3)).last_BTD
        assert torch.equal(states, make_model(family)(**batch).last_hidden_state)
    assert list(backbone.state_dict()) == names and all(map(torch.equal, fingerprint, backbone.parameters()))
    assert not any(p.requires_grad for p in backbone.parameters())
    own = {id(p) for p in backbone.parameters()}
    assert made.trained() and not own & {id(p) for p in made.parameters()}


@pytest.mark.parametrize("method", ["lora", "ia3"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns_from_every_number(family, method):
    """What is trained at each layer has a gradient, and is what the states depend on."""
    backbone, batch = make_backbone(family), make_batch(family)
    made = make(backbone, method)
    real(backbone(batch, made(3)).last_BTD, batch).pow(3).mean().backward()
    assert all(p.grad is not None for p in made.trained())
    assert sum(float(p.grad.abs().max()) > 0 for p in made.trained()) > 0.9 * len(made.trained())


@pytest.mark.parametrize("method", ["lora", "ia3"])
@pytest.mark.parametrize("family", LM_FAMILIES)
def test_language_models_take_them_too(family, method):
    backbone, batch = make_lm_backbone(family), make_lm_batch(family)
    made = make(backbone, method, stirred=False)
    with torch.no_grad():
        logits = backbone(batch, made(3), "logits").logits_BTV
        assert torch.equal(logits, make_lm_backbone(family)(batch, None, "logits").logits_BTV)
        for parameter in made.trained():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        assert not torch.allclose(backbone(batch, made(3), "logits").logits_BTV, logits, atol=1e-3)


@pytest.mark.parametrize("family", ["t5", "gpt2", "llama"])
def test_they_generate_with_a_cache_what_peft_generates(family):
    backbone, batch = make_lm_backbone(family), make_lm_batch(family, lengths=(6, 6))
    method = make(backbone, targets="linear")
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    settings = {"max_new_tokens": 5, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    written = backbone.generate(inputs, method(2), settings)
    bare = make_lm_backbone(family)
    assert not torch.equal(written, bare.generate(inputs, method(2), settings))

    names = "|".join(n.replace(".", r"\.") for n, m in method.layers.named_modules() if isinstance(m, Adapted))
    peft = get_peft_model(make_lm(family), PeftLora(target_modules=names, r=8, lora_alpha=16)).eval()
    copy_to(peft, method)
    theirs = peft.generate(**inputs, **settings)
    assert torch.equal(written, theirs if family == "t5" else theirs[:, 6:])


def test_dropout_is_of_training_alone():
    backbone, batch = make_backbone("bert"), make_batch("bert")
    made = make(backbone, dropout=0.5)
    with torch.no_grad():
        first, second = (backbone(batch, made(3)).last_BTD for _ in range(2))
        assert torch.equal(first, second)
        made.train()
        assert not torch.equal(first, backbone(batch, made(3)).last_BTD)
        modes = {module: module.training for module in made.eval().modules()}
        assert torch.equal(first, backbone(batch, made(3)).last_BTD)
        for module in made.train().modules():  # as Lightning puts them back, one by one
            module.training = modes[module]
        assert torch.equal(first, backbone(batch, made(3)).last_BTD)


@pytest.mark.parametrize("method", ["lora", "ia3"])
@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_checkpointing_changes_no_gradient(family, method):
    found: list[list[Tensor]] = []
    for checkpointing in (False, True):
        backbone, batch = make_backbone(family), make_batch(family)
        if checkpointing:
            backbone.enable_gradient_checkpointing()
        made = make(backbone, method, dropout=0.2)
        backbone.train()
        made.train()
        torch.manual_seed(7)
        real(backbone(batch, made(3)).last_BTD, batch).pow(3).mean().backward()
        found.append([parameter.grad for parameter in made.trained()])
    for gradient, wanted in zip(*found, strict=True):
        torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", ["lora", "ia3"])
def test_a_bfloat16_backbone_has_float32_adapters(method):
    backbone, batch = make_backbone("bert"), make_batch("bert")
    backbone.model.to(torch.bfloat16)
    made = make(backbone, method, targets="linear")
    states = backbone(batch, made(3)).last_BTD
    real(states, batch).float().pow(2).mean().backward()
    assert states.dtype == torch.bfloat16
    assert {p.dtype for p in made.trained()} == {p.grad.dtype for p in made.trained()} == {torch.float32}


@pytest.mark.parametrize("order", [["lora", "ia3", "bitfit"], ["bitfit", "ia3", "lora"]])
def test_two_at_one_layer_compute_one_after_the_other(order):
    """Each is wrapped around what the layer computed before; BitFit's biases train wherever it stands."""
    backbone, batch = make_backbone("bert"), make_batch("bert")
    config = Config(method=order)
    union = method_of(config)(config, backbone)
    with torch.no_grad():
        assert torch.equal(backbone(batch, union(3)).last_BTD, make_model("bert")(**batch).last_hidden_state)
    real(backbone(batch, union(3)).last_BTD, batch).pow(3).mean().backward()
    for part in (union.lora, union.ia3, union.bitfit):
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in part.trained())


def test_tensors_are_named_after_their_layer():
    layer = "layers.encoder.layer.0.attention.self.query"
    assert {n for n in make(make_backbone("bert")).state_dict() if n.startswith(layer)} == {f"{layer}.A", f"{layer}.B"}
    assert f"{layer.replace('query', 'key')}.scale" in make(make_backbone("bert"), "ia3").state_dict()


def test_shapes_are_said_by_the_kind_of_layer():
    made = make(make_backbone("bert"), rank=3)
    assert made.shapes() == [
        ("query.A of 3 layers", "(3, 32)"),
        ("query.B of 3 layers", "(32, 3)"),
        ("value.A of 3 layers", "(3, 32)"),
        ("value.B of 3 layers", "(32, 3)"),
    ]


CHOSEN = [
    ("bert", "query", 3, "a role"),
    ("bert", ["key", "intermediate.dense"], 6, "a role, and a name of the model"),
    ("bert", "encoder.layer.1.output.dense", 1, "one layer by its whole name"),
    ("distilbert", ["first", "second"], 6, "roles that the model calls otherwise"),
    ("gpt2", "qv", 2, "one layer makes queries, keys and values"),
    ("llama", "up_proj", 2, "a name that is no role"),
    ("t5", "qv", 12, "encoder, decoder and cross attention"),
]


@pytest.mark.parametrize(("family", "targets", "count", "why"), CHOSEN)
def test_targets_are_roles_or_names(family, targets, count, why):
    backbone = make_backbone(family) if family in FAMILIES else make_lm_backbone(family)
    held = [m for m in make(backbone, targets=targets).layers.modules() if isinstance(m, Adapted)]
    assert len(held) == count, why


REFUSED = [
    (
        "bert",
        "qurey",
        "lora.targets: backbone family 'bert' has no linear layers 'qurey'; use linear, or some of query, ",
    ),
    (
        "gpt2",
        "query",
        "lora.targets: backbone family 'gpt2' has no linear layers 'query'; use linear, or some of c_attn, ",
    ),
    (
        "bert",
        "pooler.dense",
        "lora.targets: backbone family 'bert' has no linear layers 'pooler.dense'; use linear, or",
    ),
    ("bert", [], "lora.targets: '[]' is not a name or a list of names; use qv, linear, or names of linear layers"),
    ("bert", ["qv", "qv"], "lora.targets: 'qv' is named twice"),
]


@pytest.mark.parametrize(("family", "targets", "says"), REFUSED)
def test_targets_that_are_not_there_are_refused(family, targets, says):
    backbone = make_backbone(family) if family in FAMILIES else make_lm_backbone(family)
    with pytest.raises(UserError) as error:
        make(backbone, targets=targets)
    assert str(error.value).startswith(says)


def test_without_the_package_there_is_one_line(monkeypatch):
    monkeypatch.setattr("ptv2.methods.peft.find_spec", lambda name: None)
    with pytest.raises(UserError) as error:
        METHODS["lora"].check(Config(method="lora"))
    assert (
        str(error.value)
        == "method: method 'lora' needs the package peft, which is not installed; pip install 'ptv2[peft]'"
    )
