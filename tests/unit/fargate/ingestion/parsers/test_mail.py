"""Mail: what was written by whom to whom, with its attachments, however carelessly it was sent."""

from __future__ import annotations

import base64
import contextlib

import pytest

from chalicelib.domain.documents import ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import enclosures, registry
from fargate.ingestion.parsers.source import Source

_MAIL, _MAILBOX = "message/rfc822", "application/mbox"
_HEAD = "From: Ann <ann@example.org>\nTo: bob@example.org\nSubject: Leave\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n"
_PICTURE = "iVBORw0KGgo="


def read(mail: str | bytes, kind: str = _MAIL, language: str = "en") -> ParsedDocument:
    data = mail if isinstance(mail, bytes) else mail.encode()
    return registry.parse(Source(data, "a mail.eml", kind, language))


def texts(parsed: ParsedDocument) -> list[str]:
    return [parsed.text[block.start : block.end] for block in parsed.blocks]


def body(mail: str | bytes) -> list[str]:
    """Give the blocks below the subject and the headers."""
    return texts(read(mail))[2:]


def multipart(*parts: str, kind: str = "mixed", head: str = _HEAD) -> str:
    boundary = f"b-{kind}"
    inside = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f'{head}MIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary="{boundary}"\n\n{inside}--{boundary}--\n'


def part(kind: str, content: str, *headers: str) -> str:
    return "\n".join([f"Content-Type: {kind}", *headers, "", content])


def attached(name: str, content: bytes = b"data", kind: str = "application/pdf", *headers: str) -> str:
    disposition = f'Content-Disposition: attachment; filename="{name}"'
    packed = base64.b64encode(content).decode()
    return part(kind, packed, "Content-Transfer-Encoding: base64", disposition, *headers)


def rejected(mail: str | bytes, kind: str = _MAIL) -> str:
    with pytest.raises(DocumentRejected) as caught:
        read(mail, kind)
    return caught.value.reason


def test_a_letter_is_a_section_under_its_subject() -> None:
    """Who wrote to whom and when stands first, then the body, paragraph by paragraph."""
    parsed = read(f"{_HEAD}Cc: c@example.org\nX-Spam: no\n\nDear Bob,\n\nall is\nwell.\n")
    assert texts(parsed) == [
        "Leave",
        "From: Ann <ann@example.org>\nTo: bob@example.org\nCc: c@example.org\nDate: Mon, 1 Jan 2024 10:00:00 +0000",
        "Dear Bob,",
        "all is\nwell.",
    ]
    assert parsed.title == "Leave"
    assert {block.heading_path for block in parsed.blocks} == {("Leave",)}


def test_headings_of_the_body_stand_below_the_subject() -> None:
    """Newsletters are written like pages of the web."""
    parsed = read(f"{_HEAD}Content-Type: text/html\n\n<title>t</title><h1>News</h1><p>Words &amp; more.</p>")
    assert texts(parsed)[2:] == ["News", "Words & more."]
    assert parsed.blocks[-1].heading_path == ("Leave", "News")
    assert parsed.title == "Leave"


def test_of_two_versions_the_plain_one_is_read() -> None:
    """Unless it says nothing."""
    page = part("text/html", "<p>From the page.</p>")
    assert body(multipart(part("text/plain", "Plain."), page, kind="alternative")) == ["Plain."]
    assert body(multipart(part("text/plain", " \n"), page, kind="alternative")) == ["From the page."]


def test_parts_that_follow_each_other_are_all_read() -> None:
    """Some programs send a text in pieces, and lists add a footer."""
    assert body(multipart(part("text/plain", "One."), part("text/html", "<p>Two."), part("text/plain", "Three."))) == [
        "One.",
        "Two.",
        "Three.",
    ]


@pytest.mark.parametrize(
    ("encoding", "header"),
    [
        ("utf-8", 'text/plain; charset="utf-8"'),
        ("cp1252", "text/plain; charset=iso-8859-1"),
        ("utf-8", "text/plain; charset=iso-8859-1"),
        ("cp1252", "text/plain; charset=utf-8"),
        ("utf-8", "text/plain; charset=no-such"),
        ("utf-8", "text/plain"),
    ],
)
def test_the_encoding_of_a_body_is_found_though_it_is_told_wrongly(encoding: str, header: str) -> None:
    """What the bytes can be goes before what the header says."""
    head = f"{_HEAD}Content-Type: {header}\nContent-Transfer-Encoding: 8bit\n\n".encode()
    assert body(head + "Grüße, 3 €".encode(encoding)) == ["Grüße, 3 €"]


def test_packed_bodies_are_unpacked() -> None:
    """Quoted-printable, with soft line ends, and Base64."""
    quoted = "Content-Transfer-Encoding: quoted-printable"
    assert body(f"{_HEAD}Content-Type: text/plain; charset=utf-8\n{quoted}\n\nGr=C3=BC=\n=C3=9Fe") == ["Grüße"]
    packed = base64.b64encode("今日は".encode("iso-2022-jp")).decode()
    kind = "Content-Type: text/plain; charset=iso-2022-jp\nContent-Transfer-Encoding: base64"
    assert body(f"{_HEAD}{kind}\n\n{packed}") == ["今日は"]


@pytest.mark.parametrize(
    "subject",
    [
        b"=?utf-8?q?Gr=C3=BC=C3=9Fe?= aus =?iso-8859-1?b?S/ZsbiE=?=",
        b"=?utf-8?b?R3LDvMOf?=\n =?utf-8?b?ZSBhdXMgS8O2bG4h?=",
        "Grüße aus Köln!".encode(),
        "Grüße\r\n aus Köln!".encode("cp1252"),
    ],
)
def test_headers_are_decoded_and_unfolded(subject: bytes) -> None:
    """Also those that hold what no header may: bytes beyond ASCII."""
    assert read(b"Subject: " + subject + b"\n\ntext").title == "Grüße aus Köln!"


def test_a_damaged_header_is_shown_as_it_is() -> None:
    """One bad word does not spoil the mail."""
    assert read("Subject: =?utf-8?b?R3LDvMOf=ZQ?= x\n\ntext").title


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_a_mail_saved_in_wide_characters_is_read(encoding: str) -> None:
    """Whatever its parts say of their encoding: it no longer holds."""
    mail = multipart(part("text/plain; charset=utf-16", "Grüße."), attached("a.txt", b"data", "text/plain"))
    parsed = read(mail.encode(encoding))
    assert texts(parsed)[2:] == ["Grüße."]
    assert parsed.attachments[0].data == b"data"


@pytest.mark.parametrize(
    "disposition",
    [
        'attachment; filename="Bericht für März.pdf"',
        "attachment; filename*=utf-8''Bericht%20f%C3%BCr%20M%C3%A4rz.pdf",
        'attachment; filename="=?utf-8?q?Bericht_f=C3=BCr_M=C3=A4rz.pdf?="',
        'inline; filename*0="Bericht für "; filename*1="März.pdf"',
    ],
)
def test_attachments_bear_their_names(disposition: str) -> None:
    """In each of the ways mail programs write them."""
    packed = part(
        "application/pdf", "JVBERi0=", "Content-Transfer-Encoding: base64", f"Content-Disposition: {disposition}"
    )
    parsed = read(multipart(part("text/plain", "See below."), packed))
    (found,) = parsed.attachments
    assert (found.name, found.media_type, found.data) == ("Bericht für März.pdf", "application/pdf", b"%PDF-")
    assert "Attachments: Bericht für März.pdf" in parsed.text


def test_names_of_attachments_lead_nowhere() -> None:
    """A name is not a path, and one that is missing is made."""
    parsed = read(multipart(attached("../../etc/pass\\wd.txt"), attached("")))
    assert [found.name for found in parsed.attachments] == ["etc_pass_wd.txt", "attachment 2"]


def test_a_letter_inside_a_letter_is_an_attachment() -> None:
    """It is not read as part of the one that carries it."""
    inner = f"{_HEAD}Content-Type: text/plain; charset=utf-8\n\nGrüße von innen."
    parsed = read(multipart(part("text/plain", "Outer."), part("message/rfc822", inner)))
    (found,) = parsed.attachments
    assert (found.name, found.media_type) == ("Leave.eml", _MAIL)
    assert texts(read(found.data))[-1] == "Grüße von innen."
    assert "innen" not in parsed.text


def test_pictures_that_the_body_shows_are_no_attachments() -> None:
    """Neither are logos and signatures of other programs; a picture somebody attached is."""
    logo = part("image/png; name=logo.png", _PICTURE, "Content-Transfer-Encoding: base64", "Content-ID: <logo@x>")
    ruler = part("image/gif", "R0lGODlh", "Content-Transfer-Encoding: base64", "Content-Disposition: inline")
    shown = attached("shown.png", b"png", "image/png", "Content-ID: <shown>")
    page = part("text/html", "<p>Text.<img src='cid:logo@x'><img src='cid:shown'>")
    parsed = read(multipart(page, logo, ruler, shown, attached("photo.jpg", b"jpg", "image/jpeg"), kind="related"))
    assert [found.name for found in parsed.attachments] == ["photo.jpg"]


def test_signatures_are_left_out() -> None:
    """A signed letter is one like any other."""
    signature = part("application/pgp-signature; name=signature.asc", "-----BEGIN PGP SIGNATURE-----")
    parsed = read(multipart(part("text/plain", "Signed."), signature, kind="signed"))
    assert texts(parsed)[2:] == ["Signed."]
    assert parsed.attachments == ()


def test_a_mail_of_attachments_alone_is_read_by_its_headers() -> None:
    """Scanners send such."""
    parsed = read(multipart(attached("scan.pdf"), head=""))
    assert parsed.text == "Attachments: scan.pdf"
    assert parsed.title == "a mail"


def test_attachments_out_of_bounds_are_told() -> None:
    """The letter itself is read."""
    many = [attached(f"{number}.txt") for number in range(enclosures.MAX_COUNT + 1)]
    parsed = read(multipart(part("text/plain", "Much."), *many))
    assert len(parsed.attachments) == enclosures.MAX_COUNT
    assert parsed.warnings == ("attachments_left_out",)


@pytest.mark.parametrize(
    "sealed",
    [
        multipart(
            part("application/pgp-encrypted", "Version: 1"), part("application/octet-stream", "x"), kind="encrypted"
        ),
        f"{_HEAD}Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\n\nMIIB",
        f"{_HEAD}\n-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n",
    ],
)
def test_an_encrypted_mail_is_refused_as_such(sealed: str) -> None:
    """There is nothing to answer from but who wrote to whom."""
    assert rejected(sealed) == "encrypted"


@pytest.mark.parametrize("mail", ["From: a@b.c\nTo: d@e.f\n\n \n", "Subject: \n\n", "\n\n"])
def test_a_mail_that_says_nothing_is_empty(mail: str) -> None:
    """Neither subject, body nor attachments."""
    assert rejected(mail) == "empty"


def test_a_subject_alone_is_a_mail() -> None:
    """Many say all they have to say there."""
    assert read("Subject: Meeting at nine\nFrom: a@b.c\n\n").text == "Meeting at nine\n\nFrom: a@b.c"


@pytest.mark.parametrize(
    "mail",
    [
        b"no header at all, only words",
        b"Subject: x\nContent-Type: multipart/mixed\n\nno boundary",
        b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nnever closed",
        b"Subject: x\nContent-Type: ;;;\nContent-Transfer-Encoding: base64\n\n!!! not base64 !!!",
        b"Subject: \xff\xfe\x80\n\x00\xff",
        b"Subject: x\nContent-Type: text/plain; charset*=utf-8'en'%FF%FE\n\nwords",
        b"Subject: x\nContent-Type: text/plain; charset*=\xff'en'a\n\nw\xff",
        b"Subject: x\nContent-Type: a/b; name*=\xff'en'%ff\n\nw\xff",
        b"Subject: x\nContent-Type: message/rfc822\n\n",
        b"Subject: x\nContent-Type: message/delivery-status\n\nReporting-MTA: a\n\nStatus: 5.1.1\n",
    ],
)
def test_carelessly_written_mail_is_read(mail: bytes) -> None:
    """The standard is honoured in the breach."""
    assert read(mail).text


def test_a_header_of_any_length_is_read_in_time() -> None:
    """What is more than the longest list of recipients is cut off."""
    words = "=?utf-8?q?a?= " * 100_000
    assert len(read(f"Subject: x\nTo: {words}\n\ntext").text) < 20_000


def test_letters_nested_beyond_reason_do_not_run_the_stack_out() -> None:
    """The sandbox turns a stack that ran out into a refusal."""
    mail = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(2_000)) + "\n\nx"
    with contextlib.suppress(DocumentRejected, RecursionError):
        assert read(mail).text


def test_a_mailbox_is_a_section_for_each_letter() -> None:
    """With the attachments of all of them."""
    first = multipart(part("text/plain", "One.\n\n>From here on."), attached("a.pdf"))
    second = f"{_HEAD.replace('Leave', 'Reply')}\nTwo.\n"
    letters = [
        f"From ann@example.org Mon Jan  1 10:00:00 2024\n{letter}\n" for letter in (first, "From: x@y.z\n\n", second)
    ]
    parsed = read("".join(letters), _MAILBOX)
    assert [block.heading_path for block in parsed.blocks if block.kind == "heading"] == [("Leave",), ("Reply",)]
    assert texts(parsed)[2:4] == ["One.", "From here on."]
    assert texts(parsed)[-1] == "Two."
    assert [found.name for found in parsed.attachments] == ["a.pdf"]
    assert parsed.title == "a mail"


def test_encrypted_letters_in_a_mailbox_are_told() -> None:
    """A mailbox of nothing else is refused."""
    sealed = f"From - Mon Jan  1 10:00:00 2024\n{_HEAD}\n-----BEGIN PGP MESSAGE-----\nx\n-----END PGP MESSAGE-----\n\n"
    parsed = read(f"{sealed}From - Mon Jan  1 10:00:00 2024\n{_HEAD}\nWords.\n", _MAILBOX)
    assert parsed.warnings == ("encrypted_letters_left_out",)
    assert rejected(sealed, _MAILBOX) == "encrypted"
