"""How good models are: published results, joined to the weights they belong to."""
