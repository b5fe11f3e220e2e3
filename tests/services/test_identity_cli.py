"""`xunhe invite`, `api-key` and `stele-codes`, as an operator runs them."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pypdfium2
import pytest
import zxingcpp

from app.domain.stele_code import version_of
from app.keys import Keys
from app.services.access import token_hash
from app.services.stele_codes import PURPOSE
from tests import databases
from tests.services.datasets import LAKE, written

ROOT = Path(__file__).parents[2]
SECRET = "a secret for tests only"

Xunhe = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def url(server_url: str) -> Iterator[str]:
    """A database of this file alone, since the command commits."""
    with databases.empty(server_url) as url:
        databases.migrate(url)
        yield url


@pytest.fixture(scope="module")
def xunhe(url: str, tmp_path_factory: pytest.TempPathFactory) -> Xunhe:
    """Run the command on a small lake; its exit status, stdout and stderr."""
    here = tmp_path_factory.mktemp("xunhe")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("XUNHE_")}
    ours = {
        "PYTHONPATH": str(ROOT),
        "XUNHE_DATABASE_URL": url,
        "XUNHE_DATA_DIR": str(here / "data"),
        "XUNHE_SECRET_KEY": SECRET,
        "XUNHE_PUBLIC_URL": "https://xunhe.example",
    }

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "app.cli", *map(str, arguments)],
            cwd=here,
            env=clean | ours,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    loaded = run("import", written(here / "lake", LAKE))
    assert (loaded.returncode, loaded.stderr) == (0, "")
    return run


def rows(url: str, question: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(question.encode()).fetchall()


def outcome(done: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


def test_an_invitation_is_printed_alone_and_kept_as_a_digest(xunhe: Xunhe, url: str) -> None:
    status, code, complaint = outcome(xunhe("invite", "P1"))

    assert (status, complaint) == (0, "")
    assert (len(code), code[:8].isdigit(), code[8:]) == (9, True, "\n")
    digest = Keys(SECRET.encode()).digest("invitation-code", code.strip())
    assert rows(
        url,
        "SELECT code_hash, p.code, i.expires_at - i.created_at = interval '30 days'"
        " FROM invitations i JOIN people p ON p.id = i.person_id WHERE p.code = 'P1'",
    ) == [(digest, "P1", True)]


def test_what_invite_does_not_understand(xunhe: Xunhe) -> None:
    assert outcome(xunhe("invite", "NOBODY")) == (1, "", "名册上没有这位人员：NOBODY\n")
    for arguments in ([], ["P1", "--pdf", "x.pdf"], ["--organisation", "GWH"]):
        done = xunhe("invite", *arguments)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


def test_slips_are_for_nobody_else_on_the_machine(xunhe: Xunhe, tmp_path: Path) -> None:
    pdf = tmp_path / "slips.pdf"
    pdf.write_text("an older one, readable by all")

    done = xunhe("invite", "--organisation", "GWH", "--pdf", pdf)

    assert outcome(done) == (0, f"3 张邀请条已写入 {pdf}\n", "")
    assert stat.S_IMODE(pdf.stat().st_mode) == 0o600
    assert pdf.read_bytes().startswith(b"%PDF-")


def test_a_key_is_shown_once_listed_and_revoked(xunhe: Xunhe, url: str) -> None:
    made = xunhe("api-key", "create", "--organisation", "HB", "--name", "大屏")
    key = made.stdout.strip()
    before = xunhe("api-key", "list")
    revoked = [xunhe("api-key", "revoke", key[:10]) for _ in range(2)]
    after = xunhe("api-key", "list")

    assert (made.returncode, made.stderr, made.stdout) == (0, "", f"{key}\n")
    assert key.startswith("xk_")
    ((id_, hashed, since),) = rows(
        url,
        "SELECT id::text, key_hash, (created_at AT TIME ZONE 'Asia/Shanghai')::date::text FROM api_keys",
    )
    assert hashed == token_hash(key)
    assert before.stdout == f"{id_}\t{key[:10]}…\tHB\t{since}\t有效\t大屏\n"
    assert after.stdout == f"{id_}\t{key[:10]}…\tHB\t{since}\t已作废\t大屏\n"
    assert [outcome(each) for each in revoked] == [(0, f"已作废 {key[:10]}…\n", "")] * 2
    assert rows(
        url, "SELECT action FROM audit_entries WHERE subject LIKE 'api-key:%' ORDER BY id"
    ) == [
        ("create-api-key",),
        ("revoke-api-key",),
    ]


def test_what_api_key_does_not_find(xunhe: Xunhe) -> None:
    unknown = xunhe("api-key", "create", "--organisation", "NONE")
    missing = xunhe("api-key", "revoke", "xk_nothing")

    assert outcome(unknown) == (1, "", "没有这个组织：NONE\n")
    assert outcome(missing) == (1, "", "没有这个密钥：xk_nothing\n")


def test_stele_codes_are_printed_and_called_in(xunhe: Xunhe, tmp_path: Path) -> None:
    first, second = tmp_path / "first.pdf", tmp_path / "second.pdf"

    printed = xunhe("stele-codes", "--stele", "JB-01", first)
    anew = xunhe("stele-codes", "--new-print", "JB-01", second)

    assert outcome(printed) == (0, f"1 页已写入 {first}\n", "")
    assert outcome(anew) == (0, f"1 页已写入 {second}\n", "")
    key = Keys(SECRET.encode()).key(PURPOSE)
    versions = []
    for pdf in (first, second):
        document = pypdfium2.PdfDocument(pdf.read_bytes())
        (code,) = zxingcpp.read_barcodes(document[0].render(scale=2).to_pil())
        document.close()
        page, token = code.text.split("?t=")
        assert page == "https://xunhe.example/s/JB-01"
        versions.append(version_of(key, "JB-01", token))
    assert versions == [1, 2]


def test_what_stele_codes_does_not_do(xunhe: Xunhe, tmp_path: Path) -> None:
    pdf = tmp_path / "none.pdf"

    unknown = xunhe("stele-codes", "--stele", "NONE", pdf)
    shut = xunhe("stele-codes", "--code", "scene", pdf)
    senseless = xunhe("stele-codes", "--code", "scene", "--new-print", "JB-01", pdf)

    assert outcome(unknown) == (1, "", "没有这些界碑：NONE\n")
    assert (shut.returncode, "还没有配置服务号" in shut.stderr) == (1, True)
    assert senseless.returncode == 2
    assert not pdf.exists()


def test_the_only_admin_with_a_new_wechat_is_helped_at_the_shell(xunhe: Xunhe, url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO wechat_users (id, app, openid, person_id, subscribed, created_at, failed_codes)"
            " SELECT gen_random_uuid(), 'mini_program', 'o-1', id, false, now(), 0 FROM people"
            " WHERE code = 'P1'"
        )

    done = xunhe("unbind", "P1", "--reason", "换了手机")
    unknown = xunhe("unbind", "NOBODY", "--reason", "换了手机")

    assert outcome(done) == (0, "已解除 1 个绑定。\n", "")
    assert outcome(unknown) == (1, "", "没有这位人员：NOBODY\n")
    assert rows(url, "SELECT person_id FROM wechat_users WHERE openid = 'o-1'") == [(None,)]
    assert rows(url, "SELECT via, actor_id, reason FROM audit_entries WHERE action = 'unbind'") == [
        ("cli", None, "换了手机")
    ]


def test_a_login_link_is_printed_alone_and_kept_as_a_hash(xunhe: Xunhe, url: str) -> None:
    status, address, complaint = outcome(xunhe("login-link", "P1"))

    assert (status, complaint) == (0, "")
    start, _, token = address.strip().rpartition("/")
    assert start == "https://xunhe.example/dashboard/sign-in/links"
    assert len(token) >= 40
    assert rows(
        url,
        "SELECT t.via, t.token_hash, p.code, t.expires_at - t.created_at = interval '10 minutes'"
        " FROM sign_in_tickets t JOIN people p ON p.id = t.person_id",
    ) == [("link", token_hash(token), "P1", True)]


def test_a_login_link_is_for_managers(xunhe: Xunhe) -> None:
    assert outcome(xunhe("login-link", "NOBODY")) == (1, "", "名册上没有这位人员：NOBODY\n")
    status, address, complaint = outcome(xunhe("login-link", "P2"))
    assert (status, address, complaint.count("\n")) == (1, "", 1)
    assert "不是管理人员" in complaint
