"""What PEFT and the official code trained becomes an artifact that computes the same."""

import json

import pytest
import torch
from exchanged import encoder_artifact, lm_config
from families import make_batch, real, save_backbone
from peft import (
    CartridgeConfig,
    IA3Config,
    LoraConfig,
    PeftModel,
    PrefixTuningConfig,
    PromptTuningConfig,
    get_peft_model,
)
from safetensors.torch import load_file, save_file
from seq2seq_models import make_lm_batch
from torch import Tensor, nn
from training import load, run_config, save_without_pooler
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertForSequenceClassification,
    RobertaModel,
)

import ptv2
from ptv2.config.load import to_plain

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")  # PEFT's own call
AUTO = {"cls": AutoModelForSequenceClassification, "tagging": AutoModelForTokenClassification}
TYPES = {"cls": "SEQ_CLS", "tagging": "TOKEN_CLS"}
METHODS = {
    "prefix": lambda task: PrefixTuningConfig(task_type=task, num_virtual_tokens=5),
    "projected": lambda task: PrefixTuningConfig(
        task_type=task, num_virtual_tokens=5, prefix_projection=True, encoder_hidden_size=8
    ),
    "cartridge": lambda task: CartridgeConfig(task_type=task, num_virtual_tokens=5),
    "prompt": lambda task: PromptTuningConfig(task_type=task, num_virtual_tokens=5),
    "lora": lambda task: LoraConfig(task_type=task, r=3, lora_alpha=7, target_modules=["query", "output.dense"]),
    "rslora": lambda task: LoraConfig(task_type=task, r=4, use_rslora=True, target_modules=["query", "value"]),
}


def config_of(family: str, folder, kind: str = "cls", **changes) -> dict:
    """A config as a user's file holds it, whose own prompt settings are others."""
    folder.mkdir(exist_ok=True)
    return to_plain(run_config(family, folder, kind, **changes))


def drawn(model: PeftModel) -> PeftModel:
    """The model with every number that trains drawn anew."""
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval()


@torch.no_grad()
def logits_of(path, batch) -> Tensor:
    module = load(path)
    (head,) = module.heads.values()
    return head(module.backbone(batch, module.method(3)))


@pytest.mark.parametrize("kind", AUTO)
@pytest.mark.parametrize("name", METHODS)
@torch.no_grad()
def test_an_adapter_of_peft_computes_the_same(name, kind, tmp_path):
    config = config_of("bert", tmp_path, kind, prompt={"length": 9, "gate": True})
    model = AUTO[kind].from_pretrained(tmp_path / "backbone", num_labels=3)
    peft = drawn(get_peft_model(model, METHODS[name](TYPES[kind])))
    peft.save_pretrained(tmp_path / "peft")
    if name == "prompt" and kind == "cls":
        with pytest.raises(ptv2.UserError, match="its head reads the first position of the prompt"):
            ptv2.convert(tmp_path / "peft", config, tmp_path / "prompt")
        return
    made = ptv2.convert(tmp_path / "peft", config, tmp_path / "prompt")
    assert len(made.notes) == 1 and made.notes[0].startswith("read: PEFT ")
    batch = {name: t for name, t in make_batch("bert").items() if name != "token_type_ids"}
    expected, got = peft(**batch).logits, logits_of(made.folder, batch)
    at = batch["attention_mask"].bool() if kind == "tagging" else slice(None)
    if name == "prompt" and kind == "tagging":  # PEFT gives logits of the prompt too
        expected = expected[:, -got.shape[1] :]
    torch.testing.assert_close(got[at], expected[at], atol=2e-5, rtol=1e-5)
    assert ptv2.load(made.folder).predict([{"text": "a good film", "words": ["a", "film"]}])[0]


@pytest.mark.parametrize("name", ["prefix", "cartridge", "lora"])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
@torch.no_grad()
def test_an_adapter_of_a_language_model_writes_the_same(family, name, tmp_path):
    config = to_plain(lm_config(family, tmp_path))
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "backbone")
    adapter = METHODS[name]("CAUSAL_LM")
    if name == "lora":
        adapter.target_modules, adapter.fan_in_fan_out = (
            {"c_attn"} if family == "gpt2" else {"q_proj"},
            family == "gpt2",
        )
    peft = drawn(get_peft_model(model, adapter))
    peft.save_pretrained(tmp_path / "peft")
    module, batch = (
        load(ptv2.convert(tmp_path / "peft", config, tmp_path / "prompt").folder),
        make_lm_batch(family, (6, 6)),
    )
    settings = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    written = module.backbone.generate(batch, module.method(2), settings)
    assert torch.equal(written, peft.generate(**batch, **settings)[:, 6:])


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_there_and_back_is_the_same_artifact(family, tmp_path):
    pooling = "pooler" if family == "bert" else "dense"
    path = encoder_artifact(family, tmp_path, prompt={"position_offset": True}, head={"pooling": pooling})
    ptv2.export(path, "peft", tmp_path / "peft")
    ptv2.convert(tmp_path / "peft", config_of(family, tmp_path), tmp_path / "again")
    ours, again = (load_file(folder / "weights.safetensors") for folder in (path, tmp_path / "again"))
    assert ours.keys() == again.keys() and all(torch.equal(ours[name], again[name]) for name in ours)


# -- the official code -------------------------------------------------------------------------------------------------


class Official(nn.Module):
    """`BertPrefixForSequenceClassification` of the official code, in the parts that it saves; P = 5."""

    def __init__(self, body: nn.Module, prefix: str, projected: bool):
        super().__init__()
        self.add_module(prefix, body)
        self.prefix_encoder = nn.Module()
        self.prefix_encoder.embedding = nn.Embedding(5, 32 if projected else 2 * 3 * 32)
        if projected:
            self.prefix_encoder.trans = nn.Sequential(nn.Linear(32, 8), nn.Tanh(), nn.Linear(8, 2 * 3 * 32))
        self.classifier = nn.Linear(32, 3)


@pytest.mark.parametrize("projected", [False, True])
@pytest.mark.parametrize("family", ["bert", "roberta"])
@torch.no_grad()
def test_an_official_checkpoint_computes_the_same(family, projected, tmp_path):
    """RoBERTa's pooler is no part of its checkpoint: the official code draws one, keeps it frozen and saves it."""
    if family == "roberta":
        save_without_pooler("roberta", tmp_path / "backbone")
        with torch.random.fork_rng():
            torch.manual_seed(4)
            body = RobertaModel.from_pretrained(tmp_path / "backbone").eval()
    else:
        save_backbone("bert", tmp_path / "backbone")
        body = AutoModel.from_pretrained(tmp_path / "backbone").eval()
    torch.manual_seed(3)
    official = Official(body, family, projected)
    torch.save(official.state_dict(), tmp_path / "pytorch_model.bin")
    config = config_of(family, tmp_path)
    made = ptv2.convert(tmp_path / "pytorch_model.bin", config, tmp_path / "prompt")

    batch = {name: t for name, t in make_batch(family).items() if name != "token_type_ids"}
    prefix = official.prefix_encoder.embedding.weight
    prefix = official.prefix_encoder.trans(prefix) if projected else prefix
    peft = get_peft_model(body, PrefixTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=5)).eval()
    peft.prompt_encoder["default"].load_prompt_embeddings(prefix)
    expected = official.classifier(peft(**batch).pooler_output)
    torch.testing.assert_close(logits_of(made.folder, batch), expected, atol=2e-5, rtol=1e-5)


# -- what cannot be ----------------------------------------------------------------------------------------------------


def test_what_is_not_known_is_refused_in_one_line(tmp_path):
    config = config_of("bert", tmp_path)

    def refused(**changes) -> str:
        with pytest.raises(ptv2.UserError) as error:
            ptv2.convert(tmp_path / "peft", config | changes, tmp_path / "prompt")
        assert not (tmp_path / "prompt").exists()
        return str(error.value)

    assert "holds neither an adapter of PEFT" in refused()
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "backbone", num_labels=3)
    ia3 = IA3Config(task_type="SEQ_CLS", target_modules=["key"], feedforward_modules=[])
    get_peft_model(model, ia3).save_pretrained(tmp_path / "peft")
    assert "is a PEFT adapter of type IA3; these can be converted: PREFIX_TUNING, CARTRIDGE, " in refused()
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "backbone", num_labels=2)
    get_peft_model(model, METHODS["prefix"]("SEQ_CLS")).save_pretrained(tmp_path / "peft")
    assert "its head has (2, 32) where task 'cls' has (3, 32)" in refused()
    save_backbone("bert", tmp_path / "other", seed=3)
    tensors = load_file(tmp_path / "peft" / "adapter_model.safetensors")
    save_file(tensors | {"prompt_embeddings": torch.zeros(5, 10)}, tmp_path / "peft" / "adapter_model.safetensors")
    assert "has 10 numbers a position, backbone " in refused()
    save_file(
        tensors | {"prompt_embeddings": torch.full((5, 192), torch.nan)}, tmp_path / "peft/adapter_model.safetensors"
    )
    assert "'prompt_embeddings' is not finite" in refused()
    (tmp_path / "peft" / "adapter_model.safetensors").write_bytes(b"broken")
    assert "cannot be read" in refused()
    settings = json.loads((tmp_path / "peft" / "adapter_config.json").read_text())
    settings |= {"peft_type": "LORA", "r": 2, "lora_alpha": 2, "use_dora": True}
    (tmp_path / "peft" / "adapter_config.json").write_text(json.dumps(settings))
    save_file(tensors, tmp_path / "peft" / "adapter_model.safetensors")
    assert "is LoRA with use_dora, which ptv2 does not have" in refused()


TORN = {
    "a length that is no number": ("prefix", {"num_virtual_tokens": "five"}, None, "'num_virtual_tokens' is 'five'"),
    "another length": ("prefix", {"num_virtual_tokens": 4}, None, "holds 5 positions, and num_virtual_tokens is 4"),
    "no rank": ("lora", {"r": None}, None, "adapter_config.json: 'r' is None; copy it again"),
    "no alpha": ("lora", {"lora_alpha": "7"}, None, "adapter_config.json: 'lora_alpha' is '7'; copy it again"),
    "weights taken out of the backbone": (
        "lora",
        {"init_lora_weights": "pissa_niter_4"},
        None,
        "the backbone has other",
    ),
    "a layer more than two matrices": (
        "lora",
        {"alora_invocation_tokens": [3]},
        None,
        "LoRA with alora_invocation_tokens",
    ),
    "half of a layer": ("lora", {}, lambda names: names[1:], "has one of two matrices of '"),
    "none of the layers": ("lora", {}, lambda names: names[:0], "holds no matrices of LoRA"),
}


@pytest.mark.parametrize("name", TORN)
def test_a_damaged_adapter_is_refused_in_one_line(name, tmp_path):
    method, changes, kept, says = TORN[name]
    config, folder = config_of("bert", tmp_path), tmp_path / "peft"
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "backbone", num_labels=3)
    get_peft_model(model, METHODS[method]("SEQ_CLS")).save_pretrained(folder)
    settings = json.loads((folder / "adapter_config.json").read_text()) | changes
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    tensors = load_file(folder / "adapter_model.safetensors")
    held = sorted(tensors) if kept is None else kept(sorted(tensors))
    save_file({name: tensors[name] for name in held}, folder / "adapter_model.safetensors")
    with pytest.raises(ptv2.UserError) as error:
        ptv2.convert(folder, config, tmp_path / "prompt")
    assert says in str(error.value) and not (tmp_path / "prompt").exists()


def test_another_model_and_tensors_without_a_place_are_said(tmp_path):
    config, folder = config_of("bert", tmp_path), tmp_path / "peft"
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "backbone", num_labels=3)
    get_peft_model(model, METHODS["prefix"]("SEQ_CLS")).save_pretrained(folder)
    assert len(ptv2.convert(folder, config, tmp_path / "plain").notes) == 1
    settings = json.loads((folder / "adapter_config.json").read_text()) | {"base_model_name_or_path": "some/model"}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    tensors = load_file(folder / "adapter_model.safetensors")
    save_file(tensors | {"odd.weight": torch.ones(2)}, folder / "adapter_model.safetensors")
    _, other, odd = ptv2.convert(folder, config, tmp_path / "prompt").notes
    assert "it was trained on 'some/model'" in other and odd == "left out, as no part of the model: odd.weight"


@pytest.mark.parametrize("family", ["albert", "albert-groups"])
def test_lora_of_layers_that_run_at_several_depths_is_refused(family, tmp_path):
    """It adapts a layer at all of its depths, and its names would be found as those of the first."""
    config = config_of(family, tmp_path)
    model = AUTO["cls"].from_pretrained(tmp_path / "backbone", num_labels=3)
    adapter = LoraConfig(task_type="SEQ_CLS", r=3, target_modules=["query", "value"])
    get_peft_model(model, adapter).save_pretrained(tmp_path / "peft")
    with pytest.raises(ptv2.UserError, match="which runs a layer at several depths"):
        ptv2.convert(tmp_path / "peft", config, tmp_path / "prompt")
    assert not (tmp_path / "prompt").exists()


def test_an_official_checkpoint_of_another_backbone_is_refused(tmp_path):
    config = config_of("bert", tmp_path)
    model = BertForSequenceClassification.from_pretrained(tmp_path / "backbone", num_labels=3)
    tensors = model.state_dict() | {"prefix_encoder.embedding.weight": torch.zeros(5, 192)}
    tensors["bert.encoder.layer.0.output.dense.bias"] = tensors["bert.encoder.layer.0.output.dense.bias"] + 1
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    with pytest.raises(
        ptv2.UserError, match=r"weights of another backbone than .* \(first: bert\.encoder\.layer\.0\.output"
    ):
        ptv2.convert(tmp_path / "pytorch_model.bin", config, tmp_path / "prompt")


@torch.no_grad()
def test_an_adapter_without_a_head_is_a_start(tmp_path):
    config, batch = config_of("bert", tmp_path), make_batch("bert")
    batch.pop("token_type_ids")
    peft = drawn(
        get_peft_model(AutoModel.from_pretrained(tmp_path / "backbone"), METHODS["prefix"]("FEATURE_EXTRACTION"))
    )
    peft.save_pretrained(tmp_path / "peft")
    made = ptv2.convert(tmp_path / "peft", config, tmp_path / "prompt")
    assert made.notes[1].startswith("it holds no head: that of 'cls' is drawn at random")
    module = load(made.folder)
    states = module.backbone(batch, module.method(3)).last_BTD
    torch.testing.assert_close(real(states, batch), real(peft(**batch).last_hidden_state, batch), atol=2e-5, rtol=1e-5)
