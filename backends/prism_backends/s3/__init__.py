"""Object storage over the S3 protocol, whoever serves it. Importing this is the first moment a client library (minio) is needed.

A backend registers `S3ObjectStorage` under its own name, with `connect` and `clean`.
"""

from prism_backends.s3.client import S3Client, connect
from prism_backends.s3.objects import S3ObjectStorage
from prism_backends.s3.places import clean

__all__ = ["S3Client", "S3ObjectStorage", "clean", "connect"]
