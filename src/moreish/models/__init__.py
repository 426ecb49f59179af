"""Floor 2: ids → logits. Import from the rooms; the counting models and array-only forwards load without PyTorch."""
