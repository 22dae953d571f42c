"""Signatures of torch's and torchvision's own classes, written by `generate.py`; not edited by hand."""
