"""What is kept of TikTok's record of a post."""

import pytest

from tiktokd.download_metadata import metadata


@pytest.mark.parametrize(
    ("item", "is_ad"), [({"isAd": True}, True), ({"isAd": False}, False), ({"isAd": "yes"}, None), ({}, None)]
)
def test_the_mark_of_an_advertisement_is_kept_as_the_site_gives_it(item, is_ad):
    assert metadata({}, item).is_ad is is_ad
