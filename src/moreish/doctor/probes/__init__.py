"""What is measured, one section of the evidence a file. Probes use PyTorch, and decide nothing."""
