"""The terms of an estimate: quantities of work over rates of a device, by family of devices."""
