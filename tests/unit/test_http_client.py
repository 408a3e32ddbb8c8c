"""The outgoing client: limits on time, size and redirects, and connections that are kept."""

import gzip
import ipaddress
import socket
import threading
import time

import pytest
from werkzeug import Response

from taskflow.lib.http import AnswerTooLarge, Call, CallRefused, CallTimeout, HttpClient, Unreachable, get_client
from taskflow.lib.http.addresses import parse_allow_list

LOOPBACK = ("127.0.0.1/32",)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def client():
    client = HttpClient(parse_allow_list(LOOPBACK))
    yield client
    client.pool.close()


@pytest.fixture
def raw_server():
    """A server that says exactly the given bytes, one piece after another, to the first who connects.

    With `in_turn` it waits for a request before each piece.
    """
    servers = []

    def serve(pieces, pause=0.0, in_turn=False):
        listening = socket.create_server(("127.0.0.1", 0))
        servers.append(listening)

        def answer():
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                for number, piece in enumerate(pieces):
                    if in_turn and number:
                        connection.recv(65536)
                    try:
                        connection.sendall(piece)
                    except OSError:
                        return
                    time.sleep(pause)

        threading.Thread(target=answer, daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}/"

    yield serve
    for listening in servers:
        listening.close()


def test_a_call_brings_its_answer(client, httpserver):
    httpserver.expect_request("/a", method="POST", headers={"X-One": "1"}, data=b"body").respond_with_data(
        "ünï", status=201, content_type="text/plain; charset=iso-8859-1", headers={"X-Two": "2"}
    )
    answer = client.send(Call("POST", httpserver.url_for("/a"), {"X-One": "1"}, b"body"))
    assert (answer.status, answer.headers["x-two"], answer.body) == (201, "2", "ünï".encode())
    assert answer.text == "Ã¼nÃ¯"


def test_text_in_an_unknown_encoding_is_read_as_utf_8(client, httpserver):
    httpserver.expect_request("/a").respond_with_data("ü", content_type="text/plain; charset=klingon")
    assert client.send(Call("GET", httpserver.url_for("/a"))).text == "ü"


def test_a_connection_is_kept_for_the_next_call(client, raw_server):
    url = raw_server([OK, OK, OK], in_turn=True)
    assert [client.send(Call("GET", url)).body for _ in range(3)] == [b"ok"] * 3


def test_threads_share_a_client(client, httpserver):
    httpserver.expect_request("/a").respond_with_data("ok")
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.send(Call("GET", httpserver.url_for("/a"))).body))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [b"ok"] * 8


def test_the_host_header_is_the_name_and_the_connection_goes_to_the_checked_address(httpserver):
    client = HttpClient(parse_allow_list(LOOPBACK), lambda host, port: [ipaddress.ip_address("127.0.0.1")])
    httpserver.expect_request("/a", headers={"Host": f"shop.example:{httpserver.port}"}).respond_with_data("ok")
    assert client.send(Call("GET", f"http://shop.example:{httpserver.port}/a")).body == b"ok"
    client.pool.close()


def test_the_next_address_is_tried_when_one_does_not_answer(httpserver):
    addresses = [ipaddress.ip_address("127.0.0.9"), ipaddress.ip_address("127.0.0.1")]
    client = HttpClient(parse_allow_list(("127.0.0.0/8",)), lambda host, port: addresses)
    httpserver.expect_request("/a").respond_with_data("ok")
    assert client.send(Call("GET", f"http://shop.example:{httpserver.port}/a")).body == b"ok"
    client.pool.close()


def test_a_name_that_is_not_found_is_unreachable(client):
    with pytest.raises(Unreachable, match="could not be found"):
        client.send(Call("GET", "http://no-such-name.invalid/"))


def test_a_closed_port_is_unreachable(client):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(Unreachable, match=f"GET http://127.0.0.1:{port}/x failed"):
        client.send(Call("GET", f"http://127.0.0.1:{port}/x?token=secret"))


def test_a_server_that_says_nothing_is_a_timeout(client, raw_server):
    with pytest.raises(CallTimeout):
        client.send(Call("GET", raw_server([b""], pause=5), timeout=0.3))


def test_a_server_that_drips_does_not_outlast_the_call(client, raw_server):
    drips = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 500]
    with pytest.raises(CallTimeout):
        client.send(Call("GET", raw_server(drips, pause=0.05), timeout=0.5))


def test_a_server_that_drips_headers_does_not_outlast_the_call(client, raw_server):
    with pytest.raises(CallTimeout):
        client.send(Call("GET", raw_server([b"HTTP/1.1 200 OK\r\n", *[b"X-A: b\r\n"] * 500], pause=0.05), timeout=0.5))


def test_a_server_that_talks_no_http_is_unreachable(client, raw_server):
    with pytest.raises(Unreachable):
        client.send(Call("GET", raw_server([b"SSH-2.0-OpenSSH\r\n\r\n"])))


def test_an_answer_that_breaks_off_is_unreachable(client, raw_server):
    with pytest.raises(Unreachable):
        client.send(Call("GET", raw_server([b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"])))


def test_an_answer_that_is_too_large_is_refused(client, httpserver):
    httpserver.expect_request("/a").respond_with_data(b"x" * 2000)
    assert len(client.send(Call("GET", httpserver.url_for("/a"), max_bytes=2000)).body) == 2000
    with pytest.raises(AnswerTooLarge, match="more than 1999 bytes"):
        client.send(Call("GET", httpserver.url_for("/a"), max_bytes=1999))


def test_a_packed_answer_is_unpacked_up_to_the_limit(client, httpserver):
    packed = {"Content-Encoding": "gzip"}
    httpserver.expect_request("/good").respond_with_data(gzip.compress(b"hello"), headers=packed)
    httpserver.expect_request("/bomb").respond_with_data(gzip.compress(b"\0" * 50_000_000), headers=packed)
    httpserver.expect_request("/bad").respond_with_data(b"not gzip", headers=packed)
    httpserver.expect_request("/odd").respond_with_data(b"x", headers={"Content-Encoding": "br"})
    assert client.send(Call("GET", httpserver.url_for("/good"))).body == b"hello"
    with pytest.raises(AnswerTooLarge):
        client.send(Call("GET", httpserver.url_for("/bomb"), max_bytes=10_000))
    with pytest.raises(Unreachable, match="broken"):
        client.send(Call("GET", httpserver.url_for("/bad")))
    with pytest.raises(Unreachable, match="'br'"):
        client.send(Call("GET", httpserver.url_for("/odd")))


def test_a_redirect_is_followed_and_a_post_becomes_a_get(client, httpserver):
    httpserver.expect_request("/a", method="POST").respond_with_data("", status=303, headers={"Location": "/b?x=1"})
    httpserver.expect_request("/b", method="GET", headers={"X-Key": "k"}).respond_with_data("there")
    answer = client.send(Call("POST", httpserver.url_for("/a"), {"X-Key": "k", "Content-Type": "text/plain"}, b"body"))
    assert (answer.body, answer.url) == (b"there", httpserver.url_for("/b?x=1"))


def test_a_kept_method_keeps_its_body_on_the_same_host(client, httpserver):
    httpserver.expect_request("/a", method="PUT").respond_with_data("", status=307, headers={"Location": "/b"})
    httpserver.expect_request("/b", method="PUT", data=b"body").respond_with_data("ok")
    assert client.send(Call("PUT", httpserver.url_for("/a"), body=b"body")).body == b"ok"


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/",
        "http://10.0.0.1/",
        "file:///etc/passwd",
        "http://2130706433/",
        "http://[::1]/",
        "http://a:b@8.8.8.8/",
    ],
)
def test_a_redirect_to_a_forbidden_place_is_refused(client, httpserver, target):
    httpserver.expect_request("/a").respond_with_data("", status=302, headers={"Location": target})
    with pytest.raises(CallRefused):
        client.send(Call("GET", httpserver.url_for("/a")))


def test_secrets_do_not_follow_a_redirect_to_another_host(httpserver):
    client = HttpClient(parse_allow_list(LOOPBACK), lambda host, port: [ipaddress.ip_address("127.0.0.1")])
    seen = {}

    def note(request):
        seen.update(request.headers)
        return Response("ok")

    httpserver.expect_request("/a").respond_with_data(
        "", status=302, headers={"Location": f"http://other.example:{httpserver.port}/b"}
    )
    httpserver.expect_request("/b").respond_with_handler(note)
    client.send(
        Call(
            "GET",
            f"http://shop.example:{httpserver.port}/a",
            {"X-Api-Key": "k", "Authorization": "t", "Accept": "text/x"},
        )
    )
    assert "X-Api-Key" not in seen
    assert "Authorization" not in seen
    assert seen["Accept"] == "text/x"
    client.pool.close()


def test_content_does_not_follow_a_redirect_to_another_host(client, httpserver):
    httpserver.expect_request("/a").respond_with_data("", status=307, headers={"Location": "http://8.8.8.8/"})
    with pytest.raises(CallRefused, match="with its content"):
        client.send(Call("POST", httpserver.url_for("/a"), body=b"secret"))


def test_endless_redirects_end(client, httpserver):
    httpserver.expect_request("/a").respond_with_data("", status=302, headers={"Location": "/a"})
    with pytest.raises(CallRefused, match="more than 5 times"):
        client.send(Call("GET", httpserver.url_for("/a")))


@pytest.mark.parametrize(
    "headers", [{"Host": "x"}, {"content-length": "5"}, {"X-A": "a\r\nX-B: b"}, {"X-Ä": "a"}, {"X-A": "€"}, {"": "x"}]
)
def test_a_header_that_could_smuggle_is_refused(client, httpserver, headers):
    with pytest.raises(CallRefused):
        client.send(Call("GET", httpserver.url_for("/a"), headers))


def test_the_process_has_one_client_for_the_operators_setting(settings, httpserver):
    settings.OUTGOING_HTTP_ALLOW = list(LOOPBACK)
    httpserver.expect_request("/a").respond_with_data("ok")
    assert get_client() is get_client()
    assert get_client().send(Call("GET", httpserver.url_for("/a"))).body == b"ok"
    settings.OUTGOING_HTTP_ALLOW = []
    with pytest.raises(CallRefused):
        get_client().send(Call("GET", httpserver.url_for("/a")))
