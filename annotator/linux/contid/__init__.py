"""Records and files of kernels with the audit container identifier patches, and process tags."""
