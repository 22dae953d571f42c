"""Checks: is what a spec says known, valid and of use? Without torch, but for manual gradients."""
