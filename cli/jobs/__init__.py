"""`lipstream jobs`: background jobs, by way of a gateway."""
