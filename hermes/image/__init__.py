"""OCI images as documents: platforms, descriptors, configurations, manifests, indexes, layouts, archives."""
