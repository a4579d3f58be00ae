"""A stand-in for TikTok on this machine, for tests of the real yt-dlp extractor."""
