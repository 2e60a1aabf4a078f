"""Pages that work while the cache does not answer."""

import sys
from contextlib import contextmanager


def is_cache_error(error: BaseException) -> bool:
    """Whether Redis raised this. (Its client is optional and large, so it is not imported for this.)"""
    client = sys.modules.get("redis.exceptions")
    return client is not None and isinstance(error, client.RedisError)


@contextmanager
def without_cache():
    """Ignore the error if the cache does not answer in this block."""
    try:
        yield
    except Exception as error:
        if not is_cache_error(error):
            raise
