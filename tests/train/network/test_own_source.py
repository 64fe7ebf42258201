from idxpipe.components.train.network.own_source import source_digest

GOOD = """
import keras

def net(image_shape, num_classes, **_):
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(num_classes)])
"""


def test_the_digest_follows_the_file(write):
    name = write(GOOD)
    first = source_digest(name)
    assert len(first) == 64
    assert source_digest(name) == first
    write(GOOD + "# changed")
    assert source_digest(name) != first
    assert source_digest("mine_absent.deep:net") == ""
    write("1 / 0", "mine_broken")
    assert source_digest("mine_broken.inner:net") == ""
