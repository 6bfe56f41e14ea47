"""The dashboard: pages without data, and the assets that fill them."""
