"""Which way of keeping signal trains better? Deep networks on real images, way beside way."""
