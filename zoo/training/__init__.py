"""What one step of training costs: forward, backward and the optimiser's step, counted on torch's meta device."""
