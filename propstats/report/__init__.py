"""Results as JSON, pages and figures."""
