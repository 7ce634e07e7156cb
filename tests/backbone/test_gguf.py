"""What a GGUF file costs: its config stands behind the whole vocabulary, which takes seconds to read."""

from ptv2.backbone import backbone_about, backbone_size, load
from ptv2.config.schema import BackboneConfig


def test_its_config_is_read_once_and_each_caller_has_a_copy(monkeypatch):
    read = []
    once = load.AutoConfig.from_pretrained
    monkeypatch.setattr(load.AutoConfig, "from_pretrained", lambda **where: read.append(where) or once(**where))
    load._gguf_config.cache_clear()
    config = BackboneConfig(name="demo:smollm2-135m")
    assert backbone_about(config) == ("llama", True)
    load._load_config(config).num_hidden_layers = 1
    assert backbone_size(config) > 100e6 and len(read) == 1
