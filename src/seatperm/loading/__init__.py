"""From TOML, JSON or a mapping to a checked catalog, and back."""
