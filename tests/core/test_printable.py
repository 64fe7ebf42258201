from idxpipe.components.core.printable import printable


def test_ordinary_names_stay():
    assert printable("cats/grüße 猫.png") == "cats/grüße 猫.png"


def test_trust_14_what_moves_the_cursor_or_hides_is_spelt_out():
    assert printable("a\x1b[2Jb\n\u202egnp") == r"a\x1b[2Jb\n\u202egnp"


def test_bytes_that_are_no_text_are_spelt_out():
    assert printable(b"caf\xe9".decode(errors="surrogateescape")) == r"caf\udce9"


def test_a_backslash_of_its_own_cannot_pose_as_an_escape():
    assert printable("\\x1b") != printable("\x1b")


def test_long_names_are_cut_in_the_middle():
    shown = printable("a" * 500 + "b" * 500, most=50)
    assert len(shown) == 50
    assert shown.startswith("aaa") and shown.endswith("bbb")
