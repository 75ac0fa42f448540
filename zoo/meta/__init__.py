"""Models without numbers: built on the meta device, with the modules that are running and the weights they would have."""
