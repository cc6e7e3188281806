"""The network: layers, priors, assignment, loss, optimizers and checkpoints."""
