"""Estimated latency: workloads, the terms of each kind of device, constants and calibration."""
