"""Worker processes: components run in them, so that whatever a component does ends a worker and not xprun."""
