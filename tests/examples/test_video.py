"""The real tasks, on a real clip: what comes out is looked into with a decoder."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from interactive_flow import TaskCancelled
from interactive_flow.examples import media
from interactive_flow.examples.clip import Clip, make_clip
from interactive_flow.examples.video import (
    ENCODERS,
    analyze_subtitles,
    embed_subtitles,
    encode_video,
    extract_thumbnail,
    find_chapters,
    target_ads,
)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The mean difference of two pictures, or two rows of them, of at most 255."""
    return float(np.abs(one - other).mean())


@pytest.fixture
def odd_video(tmp_path: Path) -> str:
    """Ten silent pictures of 161 x 91 pixels, which is not what encoders like, at uneven times."""
    path = tmp_path / "odd.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 161, 91, "yuv444p"
        for index in range(10):
            picture = np.full((91, 161, 3), 20 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv444p")
            frame.pts = index if index < 5 else index + 10
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


class TestEmbedSubtitles:
    def test_the_text_is_seen_while_it_should_be(self, clip: Clip, probe: Callable[[str], Any]) -> None:
        before = probe(clip.video).pictures
        after = probe(embed_subtitles(clip.video, clip.subtitles)).pictures
        assert after.shape == before.shape
        foot = slice(60, 90)
        for scene in range(4):
            # The text stands from a tenth to nine tenths of the 15 pictures: on the second to the 14th.
            first, middle = scene * 15, scene * 15 + 7
            assert difference(after[middle, foot], before[middle, foot]) > 8
            assert (after[middle, foot].min(axis=-1) > 230).sum() > 100, "no white letters"
            assert difference(after[first, foot], before[first, foot]) < 3
            assert difference(after[middle, :30], before[middle, :30]) < 3

    def test_each_text_is_another(self, clip: Clip, probe: Callable[[str], Any]) -> None:
        after = probe(embed_subtitles(clip.video, clip.subtitles)).pictures
        letters = [after[scene * 15 + 7, 60:].min(axis=-1) > 230 for scene in range(4)]
        for one, other in pairwise(letters):
            assert (one != other).sum() > 100

    def test_the_sound_goes_along(self, clip: Clip, probe: Callable[[str], Any]) -> None:
        found = probe(embed_subtitles(clip.video, clip.subtitles))
        assert found.audio == "aac"
        assert found.seconds == pytest.approx(2.4, abs=0.1)

    def test_the_result_lies_beside_the_video(self, clip: Clip) -> None:
        folder = Path(clip.video).parent
        assert embed_subtitles(clip.video, clip.subtitles) == str(folder / "clip-subtitled.mp4")
        assert sorted(path.name for path in folder.iterdir()) == ["clip-subtitled.mp4", "clip.mp4", "clip.srt"]

    def test_long_lines_are_broken(self, clip: Clip, probe: Callable[[str], Any]) -> None:
        Path(clip.subtitles).write_text("1\n00:00:00,000 --> 00:00:02,000\n" + "word " * 20, encoding="utf-8")
        after = probe(embed_subtitles(clip.video, clip.subtitles)).pictures[10]
        letters = after.min(axis=-1) > 230
        assert letters.any()
        assert not letters[:, :3].any()
        assert not letters[:, -3:].any()


class TestEncodeVideo:
    @pytest.mark.parametrize(
        ("fmt", "video", "audio"),
        [("mp4", "h264", "aac"), ("webm", "vp9", "opus"), ("mov", "prores", "pcm_s16le")],
    )
    def test_formats(self, clip: Clip, fmt: str, video: str, audio: str, probe: Callable[[str], Any]) -> None:
        source = probe(clip.video)
        path = encode_video(clip.video, fmt)
        assert Path(path) == Path(clip.video).with_name(f"clip-encoded.{fmt}")
        found = probe(path)
        assert (found.video, found.audio) == (video, audio)
        assert found.seconds == pytest.approx(source.seconds, abs=0.1)
        assert found.pictures.shape == source.pictures.shape
        assert difference(found.pictures, source.pictures) < 6

    def test_all_formats_are_tested(self) -> None:
        assert set(ENCODERS) == {"mp4", "webm", "mov"}

    def test_another_format(self, clip: Clip) -> None:
        with pytest.raises(ValueError, match="format 'avi': expected one of mp4, webm, mov"):
            encode_video(clip.video, "avi")

    @pytest.mark.parametrize("fmt", ENCODERS)
    def test_odd_sizes_silence_and_uneven_times(self, odd_video: str, fmt: str, probe: Callable[[str], Any]) -> None:
        found = probe(encode_video(odd_video, fmt))
        assert found.audio is None
        assert found.pictures.shape == (10, 90, 160, 3)
        assert found.seconds == pytest.approx(0.8, abs=0.05)

    def test_a_file_without_pictures(self, clip: Clip) -> None:
        with pytest.raises(ValueError, match=r"clip\.srt has no video stream"):
            encode_video(clip.subtitles, "mp4")

    def test_what_is_given_up_leaves_nothing_behind(self, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[float] = []

        def heartbeat(progress: float) -> bool:
            told.append(progress)
            return progress < 0.5

        monkeypatch.setattr(media, "heartbeat", heartbeat)
        before = set(Path(clip.video).parent.iterdir())
        with pytest.raises(TaskCancelled):
            encode_video(clip.video, "mp4")
        assert told == sorted(told)
        assert 0.5 <= told[-1] < 0.6
        assert set(Path(clip.video).parent.iterdir()) == before


class TestFindChapters:
    def test_the_cuts_are_where_they_were_made(self, clip: Clip) -> None:
        assert find_chapters(clip.video) == pytest.approx([0.0, *clip.cuts])

    def test_they_are_still_there_after_encoding(self, clip: Clip) -> None:
        assert find_chapters(encode_video(clip.video, "webm")) == pytest.approx([0.0, *clip.cuts], abs=0.001)

    def test_nothing_is_a_cut_when_all_must_change(self, clip: Clip) -> None:
        assert find_chapters(clip.video, threshold=1.0) == [0.0]

    def test_cuts_in_quick_succession_are_one(self, clip: Clip) -> None:
        assert find_chapters(clip.video, shortest=0.7) == pytest.approx([0.0, clip.cuts[1]])


class TestExtractThumbnail:
    def test_it_shows_the_chapter(self, clip: Clip, probe: Callable[[str], Any]) -> None:
        pictures = probe(clip.video).pictures
        chapters = [0.0, *clip.cuts]
        paths = [extract_thumbnail(clip.video, chapter) for chapter in chapters]
        assert [Path(path).name for path in paths] == [
            "clip-at-000.000.jpg",
            "clip-at-000.600.jpg",
            "clip-at-001.200.jpg",
            "clip-at-001.800.jpg",
        ]
        for number, path in enumerate(paths):
            with Image.open(path) as image:
                assert (image.format, image.size) == ("JPEG", (160, 90))
                thumbnail = np.asarray(image).astype(int)
            distances = [difference(thumbnail, pictures[n * 15]) for n in range(4)]
            assert distances[number] < 6
            assert int(np.argmin(distances)) == number

    def test_it_shows_the_very_picture(self, odd_video: str) -> None:
        # The grey of a picture is 20 times its number; the sixth one, number 5, comes at 15/25 s.
        with Image.open(extract_thumbnail(odd_video, 15 / 25)) as image:
            assert np.asarray(image).mean() == pytest.approx(100, abs=3)

    def test_after_the_end(self, clip: Clip) -> None:
        with pytest.raises(ValueError, match=r"ends before 60\.0 s"):
            extract_thumbnail(clip.video, 60.0)


class TestAdvertisements:
    def test_keywords_are_the_words_used_most(self, clip: Clip) -> None:
        keywords = analyze_subtitles(clip.subtitles)
        assert keywords[:2] == ["light", "first"]
        assert len(keywords) == 8
        assert "the" not in keywords
        assert analyze_subtitles(clip.subtitles, count=1) == ["light"]

    def test_ads_go_with_keywords_best_first(self) -> None:
        assert target_ads(["coffee", "sea", "boat"]) == ["A week at sea: learn to sail", "Coffee, freshly roasted"]

    def test_no_keyword_no_ad(self) -> None:
        assert target_ads([]) == []


class TestDifference:
    def test_a_file_is_like_itself_and_like_its_encoding(self, clip: Clip) -> None:
        assert media.difference(clip.video, clip.video) == 0
        assert 0 < media.difference(clip.video, encode_video(clip.video, "webm")) < 6

    def test_images_are_compared_too(self, clip: Clip) -> None:
        one, other = (extract_thumbnail(clip.video, chapter) for chapter in (0.0, clip.cuts[0]))
        assert media.difference(one, one) == 0
        assert media.difference(one, other) > 20

    def test_other_sizes_and_numbers_do_not_match(self, clip: Clip, odd_video: str, tmp_path: Path) -> None:
        assert media.difference(clip.video, odd_video) == float("inf")
        shorter = make_clip(tmp_path / "shorter", seconds=0.4, width=160, height=90)
        assert media.difference(clip.video, shorter.video) == float("inf")
