"""Programs that torch made of models (TorchScript, `torch.export`), run as modules."""
