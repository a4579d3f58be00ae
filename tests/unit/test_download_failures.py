"""Every refusal that was observed, in yt-dlp's own words, and what it means."""

import pytest

from tiktokd.download_failures import RULES, failure, retry_after_s, rule_for

ID = "7234567890123456789"
SENSITIVE = "This post may not be comfortable for some audiences. Log in for access"
NO_FORMAT = "Requested format is not available. Use --list-formats for a list of available formats"
NO_ROUTE = "Failed to connect to www.tiktok.com port 443 after 1 ms: Could not connect to server."
REPORT = (
    "; please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate template"
)
COOKIES = ". Use --cookies-from-browser or --cookies for the authentication. See  https://github.com/yt-dlp/yt-dlp/wiki"


def page(text: str) -> str:
    return f"ERROR: [TikTok] {ID}: {text}"


def http(status: int, phrase: str) -> str:
    text = f"HTTP Error {status}: {phrase}"
    return page(f"Unable to download webpage: {text} (caused by <{text}>)")


def curl(number: int, text: str) -> str:
    see = "See https://curl.se/libcurl/c/libcurl-errors.html first for more details."
    said = f"Failed to perform, curl: ({number}) {text} {see}"
    return page(f"Unable to download webpage: {said} (caused by TransportError('{said}'))")


def media(status: int, phrase: str) -> str:
    return f"ERROR: unable to download video data: HTTP Error {status}: {phrase}"


def broken(text: str) -> str:
    return f"ERROR: [download] Got error: {text}. Giving up after 2 retries"


PRIVATE = page(f"You do not have permission to view this post. Log into an account that has access{COOKIES}")
HANG = "Operation too slow. Less than 1 bytes/sec transferred the last 8 seconds."
READ = "HTTPSConnectionPool(host='v19-webapp-prime.us.tiktok.com', port=443): Read timed out."

OBSERVED = [
    # scenario, text, status, origin, class
    ("private", PRIVATE, None, "page", "auth"),
    ("private_account", PRIVATE, None, "page", "auth"),
    ("deleted", page("Your IP address is blocked from accessing this post"), None, "page", "permanent"),
    ("ip_blocked", page("Your IP address is blocked from accessing this post"), None, "page", "permanent"),
    ("not_available", page(f"Video not available, status code 10231{REPORT}"), None, "page", "permanent"),
    ("region", page(f"Video not available, status code 10219{REPORT}"), None, "page", "permanent"),
    ("server_panic", page(f"Video not available, status code 10101{REPORT}"), None, "page", "transient"),
    ("captcha_status", page(f"Video not available, status code 10000{REPORT}"), None, "page", "throttled"),
    ("status_100004", page(f"Video not available, status code 100004{REPORT}"), None, "page", "permanent"),
    ("login", page(f"TikTok is requiring login for access to this content{COOKIES}"), None, "page", "auth"),
    ("sensitive", page(SENSITIVE + COOKIES), None, "page", "auth"),
    ("no_detail", page(f"Video not available, status code 0{REPORT}"), None, "page", "transient"),
    ("no_formats", page(f"No video formats found!{REPORT}"), None, "page", "permanent"),
    ("http429", http(429, "Too Many Requests"), 429, "page", "throttled"),
    ("http403", http(403, "Forbidden"), 403, "page", "throttled"),
    ("challenge_stuck", page(f"Unable to extract universal data for rehydration{REPORT}"), None, "page", "throttled"),
    ("challenge_unsolved", page("Unable to solve JS challenge"), None, "page", "throttled"),
    ("captcha", page(f"Unable to extract challenge data{REPORT}"), None, "page", "throttled"),
    ("no_json", page(f"Unexpected response from webpage request{REPORT}"), None, "page", "throttled"),
    ("media429", media(429, "Too Many Requests"), 429, "media", "throttled"),
    ("media403", media(403, "Forbidden"), 403, "media", "throttled"),
    ("http503", http(503, "Service Unavailable"), 503, "page", "transient"),
    ("http500", http(500, "Internal Server Error"), 500, "page", "transient"),
    ("page_reset", curl(56, "Recv failure: Connection reset by peer."), None, "page", "transient"),
    ("page_hang", curl(28, HANG), None, "page", "transient"),
    ("page_cut", curl(56, "Connection closed abruptly."), None, "page", "transient"),
    ("tls", curl(35, "TLS connect error: error:00000000:invalid library"), None, "page", "transient"),
    ("http404", http(404, "Not Found"), 404, "page", "permanent"),
    ("http410", http(410, "Gone"), 410, "page", "permanent"),
    ("truncated", "ERROR: [download] Got error: 54306 bytes read, 54306 more expected", None, "media", "transient"),
    ("media_reset", broken("14624 bytes read, 34125 more expected"), None, "media", "transient"),
    ("media_hang", f"ERROR: [download] Got error: {READ}", None, "media", "transient"),
    ("media503", broken("HTTP Error 503: Service Unavailable"), None, "media", "transient"),
    ("media404", media(404, "Not Found"), 404, "media", "transient"),
    ("media416", media(416, "Requested Range Not Satisfiable"), 416, "media", "transient"),
    ("zero", "ERROR: Did not get any data blocks", None, "media", "transient"),
    ("photo url", "ERROR: Unsupported URL: https://www.tiktok.com/@creator/photo/1", None, "page", "unsupported"),
    ("no picture", page(NO_FORMAT), None, "page", "unsupported"),
    ("all renditions refused", page(NO_FORMAT), 403, "media", "throttled"),
    ("other site", "ERROR: No suitable extractor found for URL https://x.y/", None, "page", "unsupported"),
    ("not live", "ERROR: [tiktok:live] creator: The channel is not currently live", None, "page", "unsupported"),
    ("short 404", "https://vm.tiktok.com/Z leads nowhere: HTTP status 404", 404, "short", "permanent"),
    ("short 429", "https://vm.tiktok.com/Z leads nowhere: HTTP status 429", 429, "short", "throttled"),
    ("short no redirect", "https://vm.tiktok.com/Z leads nowhere: HTTP status 200", 200, "short", "transient"),
    ("user empty", "ERROR: [tiktok:user] x: This account does not have any videos posted", None, "page", "permanent"),
    ("user private", f"ERROR: [tiktok:user] x: This user's account is private{COOKIES}", None, "page", "auth"),
    ("same page", "TikTok API keeps sending the same page", None, "page", "throttled"),
    ("no dns", curl(6, "Could not resolve host: www.tiktok.com."), None, "page", "local"),
    ("no network", curl(7, NO_ROUTE), None, "page", "local"),
    ("no proxy", curl(5, "Could not resolve proxy: nowhere."), None, "page", "local"),
    ("proxy wants a password", curl(56, "CONNECT tunnel failed, response 407"), None, "page", "local"),
    ("media, no dns", broken("[Errno -3] Temporary failure in name resolution"), None, "media", "local"),
    ("bad certificate", curl(60, "SSL certificate problem: self-signed certificate"), None, "page", "local"),
    ("disk full", "ERROR: unable to write data: [Errno 28] No space left on device", None, "media", "local"),
    ("quota", "ERROR: unable to write data: [Errno 122] Disk quota exceeded", None, "media", "local"),
    ("not allowed", "ERROR: unable to open for writing: [Errno 13] Permission denied: 'x'", None, "media", "local"),
    ("long name", "ERROR: unable to open for writing: [Errno 36] File name too long", None, "media", "local"),
    ("unknown", page("Something that nobody has seen before"), None, "page", "transient"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "status", "origin", "expected"), [o[1:] for o in OBSERVED], ids=[o[0] for o in OBSERVED]
)
def test_every_observed_refusal_has_its_class_and_a_reason_for_people(text, status, origin, expected):
    result = failure(text, status=status, origin=origin)
    assert result.failure_class == expected
    assert result.stage == "download"
    assert "please report" not in result.message
    assert "--cookies" not in result.message
    assert "caused by" not in result.message
    assert not result.message.startswith("ERROR")
    assert result.message != rule_for(text, status=status, origin=origin).reason  # the original words are kept


def test_every_rule_is_reached_by_an_observation_or_named_here():
    reached = {id(rule_for(text, status=status, origin=origin)) for _, text, status, origin, _ in OBSERVED}
    unreached = [rule.reason for rule in RULES if id(rule) not in reached]
    assert unreached == [
        "too many open files on this machine",
        "yt-dlp lacks a package (curl_cffi); reinstall with its extra",
        "TikTok asks for a login",
        "the proxy failed",
    ]


def test_a_status_that_only_the_text_holds_is_read_from_it():
    assert failure(broken("HTTP Error 503: Service Unavailable"), status=None, origin="media").http_status == 503


def test_a_server_that_says_until_when_is_waited_for_by_the_whole_downloader():
    result = failure(http(503, "Unavailable"), status=503, origin="page", retry_after_s=7.0)
    assert (result.failure_class, result.retry_after_s) == ("throttled", 7.0)
    assert failure(http(503, "Unavailable"), status=503, origin="page").failure_class == "transient"


def test_retry_after_is_dropped_where_nothing_is_tried_again():
    result = failure(http(404, "Not Found"), status=404, origin="page", retry_after_s=7.0)
    assert (result.failure_class, result.retry_after_s) == ("permanent", None)


def test_a_very_long_text_is_cut():
    assert len(failure("x" * 10_000, status=None, origin="page").message) < 500


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        (None, None, None),
        ("2", None, 2.0),
        (" 120 ", None, 120.0),
        ("Sun, 22 Nov 2026 06:48:13 GMT", "Sun, 22 Nov 2026 06:48:03 GMT", 10.0),
        ("Sun, 22 Nov 2026 06:48:03 GMT", "Sun, 22 Nov 2026 06:48:13 GMT", 0.0),
        ("Sun, 22 Nov 2026 06:48:13 GMT", None, None),
        ("soon", "Sun, 22 Nov 2026 06:48:13 GMT", None),
        ("-5", None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_by_the_servers_clock(value, date, seconds):
    assert retry_after_s(value, date) == seconds
