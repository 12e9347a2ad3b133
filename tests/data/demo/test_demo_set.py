"""The built-in demo set: the same every time, and every label true of its picture."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageDraw, features

from ocr_train.data.demo import demo_set, pages
from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.data.demo.pages import CROP_HEIGHTS, Style, draw_page, turn
from ocr_train.data.demo.texts import MAX_TEXT_LENGTH, make_text, words
from ocr_train.data.labels import BadLine, LabelLine, Point, read_labels
from ocr_train.drawing.fonts import Typeface, choose_typeface, find_typefaces, load_font
from ocr_train.errors import ConfigError, DataError, SetupError
from ocr_train.ocr_engine.settings import TASKS

DICTS = Path(__file__).resolve().parents[3] / "experiments" / "dicts"
LANGUAGES = ("en", "th")
NO_SUCH_CHARACTER = "\U0010ffff"

needs_raqm = pytest.mark.skipif(not features.check("raqm"), reason="Pillow's Raqm layout is absent")
each_language = pytest.mark.parametrize("language", ["en", pytest.param("th", marks=needs_raqm)])
each_task = pytest.mark.parametrize("task", TASKS)

_BASE, _UPPER, _TONE = "[ก-ฮฤฦ]", "[ัิีึืฺุู็ํ]", "[่้๊๋์]"
THAI_SYLLABLES = re.compile(f"(?:[เแโใไ]*{_BASE}{_UPPER}?{_TONE}?[ะาำๅ]*[ๆฯ]?)+")
"""Marks only on a consonant, a vowel sign before the tone mark, leading vowels before a consonant."""


def bytes_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def labels_in(folder: Path) -> Iterator[LabelLine]:
    for part in ("train", "val"):
        for line in read_labels(folder / f"{part}.txt"):
            assert isinstance(line, LabelLine)
            yield line


def dictionary(language: str) -> set[str]:
    return set((DICTS / f"{language}.txt").read_text(encoding="utf-8").split("\n")) - {""}


def style_of(language: str) -> Style:
    return Style(language=language, typefaces=find_typefaces(language))


def fill(quad: tuple[Point, ...], size: tuple[int, int], grow: int) -> np.ndarray:  # type: ignore[type-arg]  # a mask
    """The pixels of `quad` and, for grow > 0, that many around it."""
    canvas = Image.new("L", size, 0)
    ImageDraw.Draw(canvas).polygon(list(quad), fill=1)
    if grow:
        ImageDraw.Draw(canvas).line([*quad, quad[0]], fill=1, width=2 * grow + 1, joint="curve")
    return np.asarray(canvas) > 0


@each_task
@each_language
def test_same_spec_gives_the_same_bytes(tmp_path: Path, task: str, language: str) -> None:
    """Two drawings of one spec agree in every byte; another seed agrees in no image."""
    spec = DemoSpec(task=task, language=language, train=3, val=2)
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        make_demo(tmp_path / folder, replace(spec, seed=seed))
    first, again, other = (bytes_in(tmp_path / folder) for folder in "abc")
    assert first == again
    assert not {name for name in first if name.endswith(".jpg") and first[name] == other[name]}


def test_asking_for_more_keeps_the_first_images(tmp_path: Path) -> None:
    """A larger set begins with the images and labels of the smaller one."""
    for count in (2, 4):
        make_demo(tmp_path / str(count), DemoSpec(task="rec", train=count, val=1))
    small, large = bytes_in(tmp_path / "2"), bytes_in(tmp_path / "4")
    assert large["train/00001.jpg"] == small["train/00001.jpg"]
    assert large["train.txt"].startswith(small["train.txt"])


@each_task
@each_language
def test_labels_name_every_image_once(tmp_path: Path, task: str, language: str) -> None:
    """Each part lists as many images as asked for, all of them there, none left over."""
    make_demo(tmp_path, DemoSpec(task=task, language=language, train=4, val=2))
    named = [line.image for line in labels_in(tmp_path)]
    drawn = [name for name in bytes_in(tmp_path) if name.endswith(".jpg")]
    assert sorted(named) == drawn
    assert [name.split("/")[0] for name in named] == ["train"] * 4 + ["val"] * 2


@each_language
def test_boxes_are_clockwise_from_the_top_left_inside_the_page(tmp_path: Path, language: str) -> None:
    """Every box has 4 corners in the image, the first nearest to the top left, going clockwise."""
    make_demo(tmp_path, DemoSpec(task="det", language=language, train=12, val=1, size=(320, 240)))
    for line in labels_in(tmp_path):
        with Image.open(tmp_path / line.image) as image:
            assert image.size == (320, 240)
        for box in json.loads(line.label):
            points = box["points"]
            assert len(points) == 4
            assert all(0 <= x < 320 and 0 <= y < 240 for x, y in points)
            assert min(points, key=sum) == points[0]
            turned = np.roll(points, -1, axis=0)
            area = float(np.sum(np.multiply(points, turned[:, ::-1]) @ [1, -1])) / 2
            assert area > 0


@each_language
def test_boxes_do_not_overlap(tmp_path: Path, language: str) -> None:
    """No pixel of a page belongs to two boxes, ignored ones included."""
    make_demo(tmp_path, DemoSpec(task="det", language=language, train=12, val=1))
    for line in labels_in(tmp_path):
        quads = [tuple((x, y) for x, y in box["points"]) for box in json.loads(line.label)]
        assert np.sum([fill(quad, (320, 320), 0) for quad in quads], axis=0).max() == 1


@each_language
def test_boxes_are_tight_to_the_ink(monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    """A page less the same page without its ink stays in the boxes and comes near to all their sides."""
    style, size = style_of(language), (320, 320)
    for index in range(8):
        with_ink, boxes = draw_page(Random(f"tight {index}"), style, size)
        with monkeypatch.context() as patch:
            patch.setattr(pages, "paint_line", lambda *_args: None)
            without, same_boxes = draw_page(Random(f"tight {index}"), style, size)
        assert boxes == same_boxes
        changed = np.abs(np.asarray(with_ink, dtype=float) - np.asarray(without, dtype=float)).max(axis=2)
        inside = np.any([fill(box.points, size, 3) for box in boxes], axis=0)
        assert changed[~inside].max() < 25
        for box in (box for box in boxes if not box.ignored):
            assert_touches_each_side(changed, box.points)


def assert_touches_each_side(changed: np.ndarray, quad: tuple[Point, ...]) -> None:  # type: ignore[type-arg]  # an image
    """Within 4 pixels of each side of `quad` something was drawn."""
    rows, columns = np.nonzero(changed > 25)
    ink = np.stack([columns + 0.5, rows + 0.5], axis=1)
    ink = ink[fill(quad, (320, 320), 1)[rows, columns]]
    for start, end in zip(np.array(quad), np.roll(quad, -1, axis=0), strict=True):
        normal = np.array([start[1] - end[1], end[0] - start[0]]) / np.hypot(*(end - start))
        assert float(((ink - start) @ normal).min()) < 4.0


@each_language
def test_pages_carry_readable_text_and_some_to_ignore(tmp_path: Path, language: str) -> None:
    """No page is without readable boxes; "###" occurs, on text smaller than any that is to be read."""
    make_demo(tmp_path, DemoSpec(task="det", language=language, train=16, val=1))
    ignored: list[float] = []
    for line in labels_in(tmp_path):
        boxes = json.loads(line.label)
        assert any(box["transcription"] != "###" for box in boxes)
        sides = [
            np.hypot(*np.subtract(b["points"][0], b["points"][3]))
            for b in boxes
            if b["transcription"] == "###"
        ]
        ignored += [float(side) for side in sides]
    assert ignored
    assert max(ignored) < 12


@each_language
def test_texts_keep_to_the_dictionary_and_the_length(language: str) -> None:
    """A text has 1 to 25 characters of its dictionary, with single spaces inside only."""
    rng, known = Random(7), dictionary(language)
    for _ in range(4000):
        text = make_text(rng, language)
        assert set(text) - {" "} <= known, text
        assert 1 <= len(text) <= MAX_TEXT_LENGTH
        assert text == " ".join(text.split())


@each_language
@pytest.mark.parametrize("task", ["det", "rec"])
def test_transcriptions_keep_to_the_dictionary_and_the_length(
    tmp_path: Path, task: str, language: str
) -> None:
    """What the label files say can be learned: known characters, 25 at the most."""
    make_demo(tmp_path, DemoSpec(task=task, language=language, train=20, val=4))
    texts = []
    for line in labels_in(tmp_path):
        texts += [box["transcription"] for box in json.loads(line.label)] if task == "det" else [line.label]
    assert len(texts) >= 24
    assert set("".join(texts)) - {" "} <= dictionary(language)
    assert max(map(len, texts)) <= MAX_TEXT_LENGTH


def test_english_texts_use_every_character_of_the_dictionary() -> None:
    """No class of an English model stays without a sample."""
    rng = Random(0)
    assert dictionary("en") <= set("".join(make_text(rng, "en") for _ in range(20_000)))


def test_thai_texts_use_tone_marks_digits_and_latin() -> None:
    """Thai texts hold all vowels and tone marks in use, both kinds of digits, ฯ, ๆ, ฿ and Latin letters."""
    rng = Random(0)
    seen = set("".join(make_text(rng, "th") for _ in range(20_000)))
    assert set("ะัาำิีึืุูเแโใไ็่้๊๋์ฯๆ฿๐๑๒๓๔๕๖๗๘๙0123456789") <= seen
    assert set("กขคฆงจฉชซฌญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรฤลวศษสหฬอฮ") <= seen
    assert len(seen & set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")) == 52


def test_thai_words_are_many_and_well_formed() -> None:
    """The Thai list has 300 or more different words, each spelled in the canonical order of signs."""
    listed = words("th")
    assert len(listed) == len(set(listed)) >= 300
    assert [word for word in listed if not THAI_SYLLABLES.fullmatch(word)] == []
    assert {"น้ำ", "ที่", "กรุงเทพฯ"} <= set(listed)
    assert not [word for word in listed if "เเ" in word or "ํา" in word]


def test_the_check_of_thai_spelling_finds_faults() -> None:
    """A mark without a consonant, a tone before its vowel and a doubled mark are all refused."""
    for wrong in ("่ก", "ก่ี", "ก้้", "กเ", "ะก", "กิี"):
        assert not THAI_SYLLABLES.fullmatch(wrong), wrong


@each_language
def test_fonts_have_the_glyphs_they_claim(language: str) -> None:
    """Measured: what a font claims to have is drawn as something, and not as its sign for a missing glyph."""
    wanted = dictionary(language)
    for face in find_typefaces(language):
        font = load_font(face.path, 24, shaped=False)
        missing = bytes(font.getmask(NO_SUCH_CHARACTER, mode="L"))
        for char in sorted(wanted & face.characters):
            mask = bytes(font.getmask(char, mode="L"))
            assert any(mask), (face.path.name, char)
            assert mask != missing, (face.path.name, char)


@needs_raqm
def test_a_font_without_a_glyph_is_never_chosen() -> None:
    """Latin-only fonts are passed over for Thai; where no font is able, the message names the characters."""
    latin = tuple(face for face in find_typefaces("en") if not face.covers("ก"))
    thai = find_typefaces("th")
    assert latin
    chosen = {choose_typeface(Random(seed), latin + thai, "Wi-Fi น้ำ") for seed in range(60)}
    assert len(chosen) > 3
    assert chosen <= set(thai)
    with pytest.raises(SetupError, match="no font has 'น้ำ'"):
        choose_typeface(Random(0), latin, "น้ำ")


def test_pages_mix_many_fonts() -> None:
    """English is drawn in 20 faces or more, and none of them is a hairline that cannot be read."""
    names = [face.path.stem for face in find_typefaces("en")]
    assert len(names) == len(set(names)) >= 20
    assert not [name for name in names if "Thin" in name or "ExtraLight" in name]


@needs_raqm
def test_thai_marks_stack_above_each_other() -> None:
    """The tone mark of ที่ and of น้ำ stands above the vowel sign, not on it."""
    for face in find_typefaces("th"):
        style = Style(language="th", typefaces=(face,))
        plain, vowel, tone, am, tone_am = (
            style.draw(Random(0), text, 48).height for text in ("ท", "ที", "ที่", "นำ", "น้ำ")
        )
        assert min(vowel - plain, tone - vowel, tone_am - am) >= 5, face.path.name


def test_thai_without_raqm_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the layout that sets tone marks: an instruction, no wrong truth. English still works."""
    monkeypatch.setattr(features, "check", lambda feature: feature != "raqm")
    with pytest.raises(SetupError, match="libfribidi") as caught:
        make_demo(tmp_path / "th", DemoSpec(task="rec", language="th", train=1, val=1))
    assert "apt-get install libfribidi0" in caught.value.hint
    assert not (tmp_path / "th").exists()
    make_demo(tmp_path / "en", DemoSpec(task="rec", train=1, val=1))


def test_a_damaged_font_is_named(tmp_path: Path) -> None:
    """A font file that is no font is reported with its path."""
    package = tmp_path / "fontpkg_sarabun"
    (package / "files").mkdir(parents=True)
    (package / "files" / "Sarabun-Regular.ttf").write_bytes(b"not a font")
    (package / "__init__.py").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        with pytest.raises(SetupError, match=r"Sarabun-Regular\.ttf: cannot be read"):
            find_typefaces("en")


@each_language
def test_crops_have_a_readable_height_and_contrast(tmp_path: Path, language: str) -> None:
    """A crop is 32 to 64 pixels high, and its text differs from its ground."""
    make_demo(tmp_path, DemoSpec(task="rec", language=language, train=40, val=1))
    for line in labels_in(tmp_path):
        with Image.open(tmp_path / line.image) as image:
            gray = np.asarray(image.convert("L"))
        assert CROP_HEIGHTS[0] <= gray.shape[0] <= CROP_HEIGHTS[1]
        low, high = np.percentile(gray, [1, 99])
        assert high - low > 45, line.image


def test_every_other_crop_is_upside_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The label is 180 exactly where the picture is turned by 180 degrees and not mirrored: every other one."""
    upright = Image.new("RGB", (64, 32))
    upright.paste("white", (0, 0, 24, 8))
    monkeypatch.setattr(demo_set, "draw_line_crop", lambda *_: upright)
    make_demo(tmp_path, DemoSpec(task="cls", train=10, val=4))
    expected = {"0": np.asarray(upright, dtype=float), "180": np.asarray(upright, dtype=float)[::-1, ::-1]}
    lines = list(labels_in(tmp_path))
    for line in lines:
        with Image.open(tmp_path / line.image) as image:
            assert np.abs(np.asarray(image, dtype=float) - expected[line.label]).max() < 60, line.image
    assert [line.label for line in lines] == ["0", "180"] * 7


def test_texts_of_turned_crops_tell_their_top_from_their_bottom() -> None:
    """Nothing that reads the same, or as something else, upside down is given a direction."""
    rng = Random(3)
    for _ in range(3000):
        text = make_text(rng, "en", turnable=False)
        assert len(set(text) & set('abcefghijkrtvyABCDEFGJKLPQRTUVY&@$?!"')) >= 1, text
    assert any(text.isdigit() for text in (make_text(rng, "en") for _ in range(300)))


def test_a_cut_off_drawing_has_no_label_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fills up, no label file remains, nor the earlier set's; the next run mends it."""
    spec = DemoSpec(task="rec", train=3, val=2)
    make_demo(tmp_path, spec)
    whole = bytes_in(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", fail_at("00001.jpg"))
        with pytest.raises(OSError, match="No space left"):
            make_demo(tmp_path, spec)
    assert not list(tmp_path.glob("*.txt"))
    make_demo(tmp_path, spec)
    assert bytes_in(tmp_path) == whole


def fail_at(name: str):  # type: ignore[no-untyped-def]  # stands in for Image.save
    save = Image.Image.save

    def fail(image: Image.Image, path: Path, *args, **options) -> None:  # type: ignore[no-untyped-def]  # the same
        if path.name == name:
            raise OSError(28, "No space left on device")
        save(image, path, *args, **options)

    return fail


def test_data_of_others_is_left_alone(tmp_path: Path) -> None:
    """A folder that holds labels which no demo set wrote is refused and unchanged."""
    (tmp_path / "train.txt").write_text("a.jpg\tmine\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"train\.txt") as caught:
        make_demo(tmp_path, DemoSpec(task="rec", train=1, val=1))
    assert caught.value.hint
    assert bytes_in(tmp_path) == {"train.txt": b"a.jpg\tmine\n"}


def test_a_smaller_set_leaves_nothing_of_the_larger_one(tmp_path: Path) -> None:
    """Drawing again into a demo folder replaces it, images and all."""
    make_demo(tmp_path, DemoSpec(task="rec", train=4, val=2))
    make_demo(tmp_path, DemoSpec(task="cls", train=1, val=1))
    assert [name for name in bytes_in(tmp_path) if name.endswith(".jpg")] == [
        "train/00000.jpg",
        "val/00000.jpg",
    ]


def test_wrong_values_are_reported_together(tmp_path: Path) -> None:
    """One error names every wrong field, and nothing is written."""
    spec = DemoSpec(task="det2", language="fr", train=0, val=-1, size=(10, 320))
    with pytest.raises(ConfigError) as caught:
        make_demo(tmp_path / "demo", spec)
    for part in ("'det2'", "'fr'", "train is 0", "val is -1", "(10, 320)"):
        assert part in caught.value.problem
    assert not (tmp_path / "demo").exists()


def test_typefaces_know_their_own_characters() -> None:
    """A text is covered only if all of its characters are."""
    face = Typeface(path=Path("x.ttf"), characters=frozenset("abc"))
    assert face.covers("cab")
    assert not face.covers("cabd")


def test_a_label_file_has_no_bad_line(tmp_path: Path) -> None:
    """PaddleOCR's format as our own reader knows it: LF, no BOM, nothing to stumble over."""
    make_demo(tmp_path, DemoSpec(task="rec", train=2, val=1))
    lines = [*read_labels(tmp_path / "train.txt")]
    assert not [line for line in lines if isinstance(line, BadLine) or line.crlf or line.bom]
    assert (tmp_path / "train.txt").read_bytes().endswith(b"\n")


def test_angles_turn_clockwise() -> None:
    """What is to the right of the middle is below it after a turn by 90 degrees."""
    assert turn((10, 10), (4, 0), 90) == pytest.approx((10, 14))
