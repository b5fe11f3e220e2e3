from tests.conftest import Client


async def test_the_process_says_that_it_lives(client: Client) -> None:
    response = await client(None).get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_an_unknown_path_is_a_problem_document(client: Client) -> None:
    response = await client(None).get("/api/v1/nothing-here")

    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "urn:xunhe:problem:not-found",
        "title": "没有找到您要的内容。",
        "status": 404,
        "code": "not-found",
    }
