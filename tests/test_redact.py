"""No password is left in a text, and no more is hidden."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actsearch._redact import mask, masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:secret@host:5000/a", "http://***@host:5000/a"),
        ("https://secret@host", "https://***@host"),
        ("http://me:se@cret@host", "http://***@host"),
        ("postgresql+psycopg2://me:sec/ret@host/db", "postgresql+psycopg2://***@host/db"),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Dsecret&x=1", "mssql+pyodbc:///?odbc_connect=***&x=1"),
        ("search --tracking-uri=http://me:secret@host --seed 1", "search --tracking-uri=http://***@host --seed 1"),
        ("to http://me:secret@a failed, 'http://me:secret@b/c'", "to http://***@a failed, 'http://***@b/c'"),
        ("http://host/?api_key=secret'", "http://host/?api_key=***'"),
    ],
)
def test_passwords_are_masked(text, shown):
    assert mask(text) == shown
    assert mask(shown) == shown


@pytest.mark.parametrize(
    "text", ["sqlite:////home/me@work/mlflow.db", "http://host:5000/me@x", "me@host wrote", "a ? b=c", "databricks://p"]
)
def test_all_else_is_left_alone(text):
    assert mask(text) == text


@given(st.text(st.characters(categories=["L", "N"], include_characters=":@!$%&*()-_=+."), min_size=1))
def test_any_password_is_masked(password):
    assert mask(f"x http://me:{password}@host/path y") == "x http://***@host/path y"


def test_a_masked_stream():
    under = io.StringIO()
    stream = masked(under)
    print("see http://me:secret@host", file=stream, flush=True)
    assert under.getvalue() == "see http://***@host\n"
    assert stream.isatty() is False
