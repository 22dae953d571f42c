"""A parsed spec becomes a typed one: names looked up, settings checked, defaults filled in. Without torch."""
