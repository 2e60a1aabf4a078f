"""Reads and writes rows at the pace of the database, where there are many or where somebody waits.

Django makes the statement of a query, a `save` or a `bulk_create` anew each time, which takes several times as long as
the database needs for the rows. Here a statement is made once, and all rows go through it. It is for rows whose columns
all have a value: no signal is sent, and `auto_now` is not heeded.
"""

from functools import lru_cache
from operator import attrgetter

from django.db import connection, models

# Fields whose Python values are the database's own. Others, such as dates and JSON, say what to write.
_AS_THEY_ARE = (models.CharField, models.TextField, models.IntegerField, models.BooleanField, models.ForeignKey)


def fetch(sql, *parameters):
    """All rows that a query finds, as tuples."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def insert(model, rows, unique=(), update=()):
    """Insert rows: instances of the model, or other objects with its columns' values under the same names. A key that
    the database chooses does not come back.

    With `unique`, names of fields that have a unique constraint together: a row that is there with the same values gets
    the new values of the fields `update` instead."""
    write(*_insert(model, tuple(unique), tuple(update)), rows)


def insert_with_keys(rows):
    """Insert instances of one model, and give each the key that the database chose for it."""
    for row in rows:
        sql, values = _insert(type(row), (), ())
        ((row.pk,),) = fetch(f"{sql} RETURNING {row._meta.pk.column}", *values(row))
        row._state.adding = False


def update(model, rows, fields):
    """Write these fields (names) of rows that are there."""
    write(*_update(model, tuple(fields)), rows)


def write(sql, values, rows):
    """Execute the statement with `values(row)`, a sequence, for each row."""
    rows = list(rows)
    with connection.cursor() as cursor:
        if len(rows) == 1:
            cursor.execute(sql, values(rows[0]))
        elif rows:
            cursor.executemany(sql, map(values, rows))


@lru_cache
def _insert(model, unique, update):
    meta = model._meta
    fields = [field for field in meta.concrete_fields if not isinstance(field, models.AutoField)]
    sql = f"INSERT INTO {meta.db_table} ({_columns(fields)}) VALUES ({', '.join(['%s'] * len(fields))})"  # noqa: S608
    if unique:
        changed = [meta.get_field(name).column for name in update]
        change = ", ".join(f'"{column}" = EXCLUDED."{column}"' for column in changed)
        sql += f" ON CONFLICT ({_columns(map(meta.get_field, unique))}) DO UPDATE SET {change}"
    return sql, _values(fields)


@lru_cache
def _update(model, names):
    meta = model._meta
    fields = [meta.get_field(name) for name in names]
    change = ", ".join(f'"{field.column}" = %s' for field in fields)
    return f'UPDATE {meta.db_table} SET {change} WHERE "{meta.pk.column}" = %s', _values([*fields, meta.pk])  # noqa: S608


def _columns(fields):
    return ", ".join(f'"{field.column}"' for field in fields)


def _values(fields):
    """A function from a row to the values of these fields, as the database takes them."""
    read = attrgetter(*(field.attname for field in fields))
    others = [(place, field) for place, field in enumerate(fields) if not isinstance(field, _AS_THEY_ARE)]

    def values(row):
        found = list(read(row))
        for place, field in others:
            if found[place] is not None:
                found[place] = field.get_db_prep_save(found[place], connection)
        return found

    return values
