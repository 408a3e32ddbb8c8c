"""The private servers themselves: what other tests rely on when they stop and start them."""

import signal

import pytest
from django.db import OperationalError, connection

from tests.servers import ServerMissing, private_servers, program


@pytest.fixture
def servers():
    found = private_servers()
    if found is None:
        pytest.skip("these servers are not ours to stop")
    return found


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_mariadb_keeps_its_rows_over_a_restart(servers, how: signal.Signals) -> None:
    mariadb, _ = servers
    mariadb.run_sql(
        "CREATE DATABASE IF NOT EXISTS kept; CREATE OR REPLACE TABLE kept.t (a INT); INSERT INTO kept.t VALUES (7)"
    )
    mariadb.stop(how)
    connection.close()
    with pytest.raises(OperationalError):
        connection.ensure_connection()
    mariadb.start()
    with connection.cursor() as cursor:
        cursor.execute("SELECT a FROM kept.t")
        assert cursor.fetchall() == ((7,),)


@pytest.mark.django_db
def test_mariadb_knows_the_time_zones() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT CONVERT_TZ('2026-07-01 12:00:00', 'UTC', 'Europe/Berlin')")
        assert str(cursor.fetchone()[0]) == "2026-07-01 14:00:00"


def test_redis_is_empty_after_a_restart(servers) -> None:
    from redis import Redis

    _, server = servers
    with Redis.from_url(server.url(5)) as client:
        client.set("a", "b")
    server.stop()
    server.start()
    with Redis.from_url(server.url(5)) as client:
        assert client.get("a") is None


def test_a_program_that_is_not_installed_is_named() -> None:
    with pytest.raises(ServerMissing, match="no-such-server is not installed"):
        program("no-such-server")
