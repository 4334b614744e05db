"""What plugin authors test with; the product itself never imports it."""
