"""`xprun check NAME`: is an optimizer right? It is run over fixed gradients."""
