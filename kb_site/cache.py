"""Errors of the cache server."""

import sys
from contextlib import contextmanager


def is_cache_error(error: BaseException) -> bool:
    """Whether the Redis client raised this error. (The client is optional, so it is not imported here.)"""
    client = sys.modules.get("redis.exceptions")
    return client is not None and isinstance(error, client.RedisError)


@contextmanager
def without_cache():
    """Ignore errors of the cache server in this block."""
    try:
        yield
    except Exception as error:
        if not is_cache_error(error):
            raise
