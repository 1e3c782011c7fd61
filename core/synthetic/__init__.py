"""Synthetic patients with a physical idea behind them, for demonstration and tests."""
