"""Models of transformers from a `config.json` in a folder, without the network and without weights."""

from __future__ import annotations

from pathlib import Path

import transformers
from torch import nn
from transformers import AutoConfig, AutoModel


def build_from_file(file: Path) -> nn.Module:
    """The model that a `config.json` describes, of the class that it names in `architectures`; of the type's base class without one."""
    config = AutoConfig.from_pretrained(file.parent, local_files_only=True)
    if getattr(config, "use_pretrained_backbone", False):
        config.use_pretrained_backbone = False
    names = getattr(config, "architectures", None)
    model: nn.Module = getattr(transformers, names[0])(config) if names else AutoModel.from_config(config)
    return model
