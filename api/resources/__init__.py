"""A file a resource: each view is its contract plus one call."""
