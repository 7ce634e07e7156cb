"""How a text is written is decided by the card: a checkpoint brings its special tokens and nothing else."""

import pytest
from seq2seq_models import make_lm, make_lm_tokenizer, random_ids
from transformers import GenerationConfig

from ptv2.backbone import Backbone, Injection, load_backbone
from ptv2.backbone.generation import IDS
from ptv2.config.schema import BackboneConfig

SUMMARISER = {
    "min_length": 56, "max_length": 142, "num_beams": 4, "no_repeat_ngram_size": 3, "length_penalty": 2.0,
    "early_stopping": True, "repetition_penalty": 1.3, "suppress_tokens": [7],
}  # fmt: skip
CHAT = {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 20, "repetition_penalty": 1.1}
GREEDY = {"max_new_tokens": 8, "do_sample": False, "num_beams": 1}


@pytest.mark.parametrize(("family", "policy"), [("bart", SUMMARISER), ("t5", SUMMARISER), ("llama", CHAT)])
def test_the_checkpoints_settings_decide_nothing(family, policy, tmp_path):
    ids, mask = random_ids((6,))
    written = {}
    for name, settings in {"plain": {}, "policy": policy}.items():
        model = make_lm(family)
        before = model.generation_config
        special = {key: getattr(before, key) for key in IDS if getattr(before, key) is not None}
        model.generation_config = GenerationConfig(**settings, **special)
        model.save_pretrained(tmp_path / name)
        make_lm_tokenizer(family).save_pretrained(tmp_path / name)
        backbone = load_backbone(BackboneConfig(name=str(tmp_path / name)), "logits")
        written[name] = backbone.generate({"input_ids": ids, "attention_mask": mask}, Injection(), GREEDY).tolist()
        assert backbone.generation(GREEDY) == special | GREEDY
    assert written["plain"] == written["policy"]


def test_the_tokens_that_the_model_begins_and_ends_with_are_kept():
    model = make_lm("bart")
    model.generation_config.update(forced_bos_token_id=9, forced_eos_token_id=1, bad_words_ids=[[5]])
    backbone = Backbone(model, make_lm_tokenizer("bart"))
    kept = {"decoder_start_token_id": 1, "forced_bos_token_id": 9, "forced_eos_token_id": 1}
    assert backbone.generation({}) == kept | {"bos_token_id": 3, "eos_token_id": 1, "pad_token_id": 0}
    ids, mask = random_ids((6,))
    assert backbone.generate({"input_ids": ids, "attention_mask": mask}, Injection(), GREEDY)[0, 1] == 9


def test_the_card_has_the_last_word():
    backbone = Backbone(make_lm("llama"), make_lm_tokenizer("llama"))
    assert backbone.generation({"eos_token_id": [1, 2], "num_beams": 4})["eos_token_id"] == [1, 2]
