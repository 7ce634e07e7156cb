"""How much attention goes to a prompt, against a softmax written by hand."""

import pytest
import torch
from seq2seq_models import save_lm
from transformers import AutoTokenizer

from ptv2.backbone import Injection, InputPrompt, SitePrompt, load_backbone
from ptv2.config.schema import BackboneConfig


def by_hand(query_BHTD, key_BGSD, mask_B11S, P):
    """The share of the softmax on the first P keys."""
    key_BHSD = key_BGSD.repeat_interleave(query_BHTD.shape[1] // key_BGSD.shape[1], dim=1)
    scores = query_BHTD @ key_BHSD.mT / query_BHTD.shape[-1] ** 0.5
    return scores.masked_fill(~mask_B11S, -torch.inf).softmax(-1)[..., :P].sum(-1)


@pytest.fixture
def backbone(tiny_bert):
    return load_backbone(BackboneConfig(str(tiny_bert)), "states").eval()


@pytest.fixture
def batch(backbone):
    return dict(backbone.tokenizer(["a cat", "the big red hen sees"], padding=True, return_tensors="pt"))


@pytest.mark.parametrize("gate", [None, torch.tensor([0.5, 0.0]), torch.tensor([[0.5, 0.0], [1.0, 2.0]])])
@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_keys_and_values(kernel, gate, tiny_bert, batch):
    backbone = load_backbone(BackboneConfig(str(tiny_bert), attention=kernel), "states").eval()
    torch.manual_seed(0)
    site, P = backbone.sites[0], 3
    prompt = SitePrompt(*(torch.randn(1, site.kv_heads, P, site.key_dim) for _ in range(2)), gate=gate)
    calls = []
    with torch.no_grad(), backbone.state.weighing() as masses, backbone.state.recording(calls.append):
        backbone(batch, Injection([prompt, None, None]))
    assert list(masses) == [0]
    key = torch.cat([prompt.key_BGPD.expand(2, -1, -1, -1), calls[0].key_BGSD], dim=2)
    mask = torch.nn.functional.pad(batch["attention_mask"].bool(), (P, 0), value=True)[:, None, None]
    expected = by_hand(calls[0].query_BHTD, key, mask, P)
    if gate is not None:
        expected = expected * (gate if gate.dim() == 2 else gate[None])[..., None]
    torch.testing.assert_close(masses[0], expected)


def test_vectors_at_the_input(backbone, batch):
    torch.manual_seed(0)
    prompt, calls = InputPrompt(torch.randn(1, 4, backbone.width)), []
    with torch.no_grad(), backbone.state.weighing() as masses, backbone.state.recording(calls.append):
        backbone(batch, Injection(inputs=prompt))
    mask = torch.nn.functional.pad(batch["attention_mask"].bool(), (4, 0), value=True)[:, None, None]
    assert list(masses) == [0, 1, 2]
    for index, call in enumerate(calls):
        torch.testing.assert_close(masses[index], by_hand(call.query_BHTD, call.key_BGSD, mask, 4))


def test_nothing_is_measured_outside_of_the_block(backbone, batch):
    with backbone.state.weighing() as masses:
        pass
    backbone(batch, Injection(inputs=InputPrompt(torch.zeros(1, 2, backbone.width))))
    assert not masses and backbone.state.masses is None


@pytest.mark.parametrize("family", ["t5", "llama"])
def test_decoders_and_cross_attention(family, tmp_path):
    folder = save_lm(family, tmp_path / family)
    backbone = load_backbone(BackboneConfig(str(folder)), "logits").eval()
    ids = AutoTokenizer.from_pretrained(folder)("the cat", return_tensors="pt")["input_ids"]
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}
    sites = [SitePrompt(torch.zeros(1, s.kv_heads, 2, s.key_dim), torch.zeros(1, s.kv_heads, 2, s.value_dim))
             for s in backbone.sites]  # fmt: skip
    with torch.no_grad(), backbone.state.weighing() as masses:
        backbone(batch, Injection(sites), "logits")
    assert list(masses) == list(range(len(sites)))
    for mass_BHT in masses.values():
        assert mass_BHT.shape[2] == ids.shape[1] and mass_BHT.min() > 0 and mass_BHT.max() <= 1
