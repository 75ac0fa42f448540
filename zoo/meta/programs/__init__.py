"""Models as programs of torch (TorchScript, `torch.export`), run as modules."""
