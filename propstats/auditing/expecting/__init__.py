"""What theory says each layer should carry."""
