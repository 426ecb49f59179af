"""The experiments as tables: each file here names some in its `EXPERIMENTS`, and imports nothing heavy."""
