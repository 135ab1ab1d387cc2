"""What the adapters gain beside their frameworks alone."""
