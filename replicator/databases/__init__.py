"""All that differs between databases, one package each, behind `base.Database`."""
