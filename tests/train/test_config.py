import pytest

from idxpipe.components.core.config import describe, fields
from idxpipe.components.core.errors import UsageError
from idxpipe.components.train.config import RECIPES, TrainConfig

HYPERPARAMETERS = [field for field in fields(TrainConfig) if field.metadata["presets"]]


def test_the_default_is_the_recipe_of_2018():
    config = TrainConfig().resolved()
    assert config.recipe == "seed"
    assert (config.model, config.batch_size, config.train_steps) == ("cnn", 128, 1000)
    assert (config.optimizer, config.momentum, config.weight_decay) == ("sgd", 0.0, 0.0)
    assert (config.schedule, config.learning_rate) == ("exponential", 0.05)
    assert (config.decay_steps, config.decay_rate) == (100_000, 0.96)
    assert (config.dropout, config.label_smoothing) == (0.4, 0.0)
    assert (config.augment_shift, config.augment_rotate, config.augment_scale) == (0, 0, 0)


@pytest.mark.parametrize("name", RECIPES)
def test_every_hyperparameter_comes_from_the_recipe_or_overrides_it(name):
    resolved = TrainConfig(recipe=name).resolved()
    for field in HYPERPARAMETERS:
        expected = field.metadata["presets"][name]
        found = getattr(resolved, field.name)
        assert found == expected
        assert type(found) is type(expected)
    given = TrainConfig(recipe=name, dropout=0.0, train_steps=7, model="a.b:c").resolved()
    assert (given.dropout, given.train_steps, given.model) == (0.0, 7, "a.b:c")
    assert given.batch_size == resolved.batch_size
    assert given.resolved() == given


def test_recipes_differ_where_they_should():
    fast, best = (TrainConfig(recipe=name).resolved() for name in ("fast", "best"))
    assert (fast.model, fast.train_steps, fast.dropout, fast.warmup) == ("tiny", 500, 0.0, 0.2)
    assert (best.model, best.train_steps, best.dropout, best.warmup) == ("resnet", 7000, 0.2, 0.25)
    assert (best.augment_shift, best.augment_rotate, best.augment_scale) == (0.09, 12.0, 0.12)
    assert fast.decay_rate == best.decay_rate == 0.96


@pytest.mark.parametrize("field", HYPERPARAMETERS, ids=lambda field: field.name)
def test_help_tells_what_each_recipe_has(field):
    text = describe(field)
    for name in RECIPES:
        assert f"{getattr(TrainConfig(recipe=name).resolved(), field.name)} in {name}" in text
    assert field.default in (-1, "recipe")


@pytest.mark.parametrize("model", ["alexnet", "a:", ":b", "", "a:b:c"])
def test_a_model_that_cannot_be_meant_is_refused(model):
    with pytest.raises(UsageError, match="no such model") as caught:
        TrainConfig(model=model)
    assert "cnn, tiny, resnet" in caught.value.expected


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("dropout", -0.5, "too small"), ("train_steps", -2, "too small"), ("schedule", "", "choices")],
)
def test_bounds_hold_for_all_other_values(name, value, message):
    with pytest.raises(UsageError, match=message):
        TrainConfig(**{name: value})
